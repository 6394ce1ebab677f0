package postgres

import "context"

// LoseSettings does to the connections that a store has what a pooler does that
// gives each transaction to another.
func LoseSettings(ctx context.Context, s *Store) error {
	for _, conn := range s.pool.AcquireAllIdle(ctx) {
		_, err := conn.Conn().PgConn().Exec(ctx, `RESET ALL`).ReadAll()
		conn.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// Shared tells whether a store takes its sessions for shared ones.
func Shared(s *Store) bool { return s.pool.shared.Load() }
