package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

var _ index.Sharer = (*Store)(nil)

// roleCheck is how often a role is found to be held still.
const roleCheck = time.Second

// Hold implements [index.Sharer]. A role is an advisory lock of a connection of
// its own, which the database lets go of when the connection ends.
func (s *Store) Hold(ctx context.Context, role index.Role) (held context.Context, release context.CancelFunc, err error) {
	conn, err := s.take(ctx, role)
	if err != nil {
		return nil, nil, fmt.Errorf("hold the role %s: %w", role, err)
	}
	held, lose := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer lose()
		s.keep(held, conn)
	}()
	return held, func() {
		lose()
		<-ended
	}, nil
}

// take opens a connection that has the role.
func (s *Store) take(ctx context.Context, role index.Role) (*pgx.Conn, error) {
	var conn *pgx.Conn
	err := s.read(ctx, func(ctx context.Context) error {
		pooled, err := s.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		var mine bool
		err = pooled.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, s.lockKey(lockRole+string(role))).Scan(&mine)
		if err != nil || !mine {
			pooled.Release()
			if err == nil {
				err = index.ErrInUse
			}
			return err
		}
		conn = pooled.Hijack()
		return nil
	})
	return conn, err
}

// keep watches the connection of a role until held ends, or the connection
// does, and closes it.
func (s *Store) keep(held context.Context, conn *pgx.Conn) {
	ticker := time.NewTicker(roleCheck)
	defer ticker.Stop()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(held), s.timeout)
		defer cancel()
		// The database notices only some time later that a connection has ended.
		_, _ = conn.Exec(ctx, `SELECT pg_advisory_unlock_all()`)
		_ = conn.Close(ctx)
	}()
	for {
		select {
		case <-held.Done():
			return
		case <-ticker.C:
		}
		// To break off a question would end the connection with the role.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(held), s.timeout)
		err := conn.Ping(ctx)
		cancel()
		if err != nil {
			return
		}
	}
}
