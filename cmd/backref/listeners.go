package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/proxy/wrap"
)

// listenFurther opens the listeners for registry clients beside the main one. They
// speak TLS as that does, with the same certificates.
func (s *server) listenFurther(handler http.Handler) error {
	for i, further := range s.config.Server.Listeners {
		l, err := s.listenBy(further.Listen, s.front.certificates, handler)
		if err != nil {
			return fmt.Errorf("server.listeners[%d].listen: %w", i, err)
		}
		l.server.BaseContext = func(net.Listener) context.Context { return wrap.WithListener(context.Background(), further.Name) }
		l.name = further.Name
		s.further = append(s.further, l)
	}
	return nil
}

// fronts are all listeners for registry clients, the main one first.
func (s *server) fronts() []listener {
	return append([]listener{s.front}, s.further...)
}

// furtherAddresses says for the log where the further listeners are.
func (s *server) furtherAddresses() zap.Field {
	if len(s.further) == 0 {
		return zap.Skip()
	}
	var addresses []zap.Field
	for _, l := range s.further {
		addresses = append(addresses, zap.Stringer(l.name, l.Addr()))
	}
	return zap.Dict("listeners", addresses...)
}

// drainFronts takes no new requests of registry clients and waits for those under
// way until ctx ends, when they are cut off.
func (s *server) drainFronts(ctx context.Context) error {
	var group errgroup.Group
	for _, l := range s.fronts() {
		group.Go(func() error {
			err := l.server.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				s.log.Warn("requests were cut off: server.drainTimeout is over", zap.Stringer("listen", l.Addr()))
				err = l.server.Close()
			}
			return err
		})
	}
	return group.Wait()
}
