package postgres

import (
	"context"
	"time"
)

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

// RenewIn returns when a lease that lasts for so long still is renewed.
func RenewIn(left time.Duration) time.Duration { return renewIn(left) }

// LeaseLocks is how many leases are taken at once.
const LeaseLocks = leaseLocks
