package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// Sender is the one way by which requests reach a registry, those of clients that
// pass through as well as backref's own questions. It may be used concurrently.
//
// The URL of a request holds only path and query, as a client of the registry would
// write them; its header has the client's own credentials, or none where others are
// given. The response is as it came; the caller closes its body. A failure to get
// one is an error that matches [ErrUnreachable]. [ErrBodySpent] means that the
// registry wants a new token for a request whose body can't be sent again; the next
// try has it.
type Sender interface {
	Send(as Credentials, req *http.Request) (*http.Response, error)
}

// Shim makes up for something that a registry lacks: it returns the [Sender] that
// does, around the registry as it is without it. Whatever a registry answers that
// lacks nothing, a shim passes on as it came.
type Shim func(without *Registry) Sender

// RoundTrip sends a request with the credentials that it holds, see [Sender].
//
// A body that the system can move has a method
// Move(to Mover, most int64, within time.Duration) (int64, error), see [Mover].
func (r *Registry) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.sender.Send(Credentials{}, req)
}

// Send implements [Sender], by all shims of the registry.
func (r *Registry) Send(as Credentials, req *http.Request) (*http.Response, error) {
	return r.sender.Send(as, req)
}

// do sends a question of backref's own, which has a header and a URL of its own.
func (r *Registry) do(ctx context.Context, as Credentials, req *http.Request) (*http.Response, error) {
	as.describe(req)
	resp, err := r.Send(as, req.WithContext(ctx))
	if reason := notSignedIn(err); reason != "" {
		return nil, fmt.Errorf("%w: %s", &StatusError{Status: http.StatusUnauthorized, Header: http.Header{}}, reason)
	}
	return resp, err
}

// direct is the innermost [Sender]: the connection.
type direct struct {
	*reached
}

// Send implements [Sender].
func (d direct) Send(as Credentials, req *http.Request) (*http.Response, error) {
	if !as.service {
		as.apply(req.Header)
		d.aim(req)
		return d.by(d.ways.Load().transport, true).RoundTrip(req)
	}
	scopes := scopesOf(req.Method, req.URL, as.repository)
	d.aim(req)
	ctx := auth.WithScopesForHost(req.Context(), d.base.Host, scopes...)
	service := d.ways.Load().service
	if streamed(req) {
		if err := d.prepare(ctx, service, req); err != nil {
			return nil, err
		}
	}
	resp, err := service.Do(req.WithContext(ctx))
	switch {
	case errors.Is(err, ErrBodySpent):
		return nil, err
	case err != nil:
		return nil, errors.Join(ErrUnreachable, d.withoutQuery(err, req.URL), ctx.Err())
	}
	return resp, nil
}
