package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// lookoutInterval is how often a host is asked, and so how long a primary
	// that was replaced, and goes on, may be read from by who has not noticed.
	lookoutInterval = time.Second
	// lookoutTimeout is how long a host may take to answer.
	lookoutTimeout = 2 * time.Second
)

// lookOut asks all hosts of a URL that names several, until ctx ends, whether
// they are primaries: a connection to one doesn't tell that another has been
// promoted. Each has a connection of its own for that.
func (s *Store) lookOut(ctx context.Context, cfg *pgconn.Config) {
	for _, host := range eachHost(cfg) {
		s.lookouts.Go(func() { s.servers.lookAt(ctx, host) })
	}
}

// eachHost returns the configurations of the hosts of one; none where there is
// one host.
func eachHost(cfg *pgconn.Config) []*pgconn.Config {
	ways := append([]*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...)
	var hosts []*pgconn.Config
	for len(ways) > 0 {
		first := ways[0]
		host := cfg.Copy()
		host.Host, host.Port, host.TLSConfig, host.Fallbacks = first.Host, first.Port, first.TLSConfig, nil
		host.ValidateConnect, host.AfterConnect = nil, nil
		ways = slices.DeleteFunc(ways[1:], func(way *pgconn.FallbackConfig) bool {
			same := way.Host == first.Host && way.Port == first.Port
			if same {
				// With another way to encrypt, as sslmode=prefer has it.
				host.Fallbacks = append(host.Fallbacks, way)
			}
			return same
		})
		hosts = append(hosts, host)
	}
	if len(hosts) < 2 {
		return nil
	}
	return hosts
}

// lookAt asks a host again and again.
func (s *servers) lookAt(ctx context.Context, host *pgconn.Config) {
	ticker := time.NewTicker(lookoutInterval)
	defer ticker.Stop()
	var conn *pgconn.PgConn
	defer func() { closeSoon(conn) }()
	for {
		conn = s.ask(ctx, host, conn)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ask asks a host by a connection, or a new one, and returns it where it can be
// used again.
func (s *servers) ask(ctx context.Context, host *pgconn.Config, conn *pgconn.PgConn) *pgconn.PgConn {
	ctx, cancel := context.WithTimeout(ctx, lookoutTimeout)
	defer cancel()
	if conn == nil {
		var err error
		if conn, err = pgconn.ConnectConfig(ctx, host); err != nil {
			return nil
		}
	}
	found, recovers, err := identify(ctx, conn)
	if err != nil {
		closeSoon(conn)
		return nil
	}
	// A host of another database is none to go to unasked.
	if !recovers && found.system == s.present().system {
		// That it was replaced matters to who uses it.
		_ = s.admit(found)
	}
	return conn
}

// closeSoon closes a connection that may lead to a server which hangs.
func closeSoon(conn *pgconn.PgConn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookoutTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}
