package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/indextest"
	"github.com/backref/backref/index/postgres"
	"github.com/backref/backref/test/rig"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

// newPooler starts a pooler in front of the database of the tests. It has so few
// sessions that transactions in turn get another's.
func newPooler(t testing.TB, mode string, sessions int) *rig.PgBouncer {
	t.Helper()
	return rig.NewPgBouncer(t, &rig.Postgres{URL: os.Getenv(serverVariable)}, mode, fmt.Sprint("default_pool_size = ", sessions))
}

// through returns options that lead through a pooler.
func through(pooler *rig.PgBouncer, more string) postgres.Options {
	options := newOptions()
	options.URL = pooler.URL + more
	return options
}

// TestStoreThroughAPooler tests that a store is one through a pooler too,
// whether it keeps a session to a connection or not.
func TestStoreThroughAPooler(t *testing.T) {
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			pooler := newPooler(t, mode, 40)
			setChecks(t, "2")
			indextest.Run(t, func(t *testing.T) index.Store { return mustOpen(t, through(pooler, "")) })
		})
	}
}

// Replicas in turn get each other's sessions, and what a session was set to for
// others, whatever mode they were told to ask in.
func TestReplicasThroughAPooler(t *testing.T) {
	for _, mode := range []string{"", "&default_query_exec_mode=simple_protocol"} {
		t.Run("mode"+mode, func(t *testing.T) {
			setChecks(t, "1")
			pooler := newPooler(t, "transaction", 3)
			leaveSettings(t, pooler.URL)
			indextest.RunStories(t, func(t *testing.T) index.Store {
				options := through(pooler, mode)
				options.Connections = 4
				r := &replicas{}
				for range 2 {
					r.stores = append(r.stores, mustOpen(t, options))
				}
				return r
			})
		})
	}
}

// A mode that was asked for and is none for shared sessions, as one by which rows
// of other clients come, is not used there.
func TestOtherModesThroughAPooler(t *testing.T) {
	for _, mode := range []string{"describe_exec", "cache_describe", "cache_statement"} {
		pooler := newPooler(t, "transaction", 3)
		options := through(pooler, "&default_query_exec_mode="+mode)
		pushAtOnce(t, mustOpen(t, options), mustOpen(t, options))
	}
}

// leaveSettings has sessions of a pooler keep what an unmannerly client has set.
func leaveSettings(t *testing.T, url string) {
	t.Helper()
	for range 3 {
		conn := connected(t, url+"&default_query_exec_mode=simple_protocol")
		tx, err := conn.Begin(t.Context())
		must(t, err)
		_, err = tx.Exec(t.Context(), `SELECT set_config('search_path', 'pg_temp', false), set_config('bytea_output', 'escape', false), set_config('default_transaction_isolation', 'serializable', false),
			set_config('synchronous_commit', 'off', false)`)
		must(t, err)
		defer func() { must(t, tx.Commit(t.Context())) }()
	}
}

// Two stores of other schemas share the sessions, which keep neither's rows nor
// settings from or for the other, nor for a third client.
func TestAPoolerMixesNothing(t *testing.T) {
	pooler := newPooler(t, "transaction", 2)
	var stores []*postgres.Store
	for range 2 {
		store := mustOpen(t, through(pooler, ""))
		defer func() { must(t, store.Close()) }()
		stores = append(stores, store)
	}
	const each = 40
	var group sync.WaitGroup
	for at := range 8 {
		group.Go(func() {
			store := stores[at%2]
			for i := range each {
				record := numbered(i*8 + at)
				if err := errors.Join(push(t.Context(), store, record), get(t.Context(), store, record)); err != nil {
					t.Error(err)
				}
				if err := get(t.Context(), stores[(at+1)%2], record); !errors.Is(err, index.ErrNotFound) {
					t.Errorf("the other schema has it: %v", err)
				}
			}
		})
	}
	group.Wait()
	for _, store := range stores {
		page, err := store.Referrers(t.Context(), repo, digest.FromString("subject"), index.Query{})
		must(t, err)
		if len(page.Referrers) != 4*each {
			t.Errorf("%d are listed", len(page.Referrers))
		}
	}
	conn := connected(t, pooler.URL+"&default_query_exec_mode=simple_protocol")
	for range 4 {
		var path, seqscan string
		var prepared int
		must(t, conn.QueryRow(t.Context(), `SELECT current_setting('search_path'), current_setting('enable_seqscan'),
			(SELECT count(*) FROM pg_prepared_statements)`).Scan(&path, &seqscan, &prepared))
		if path != `"$user", public` || seqscan != "on" || prepared != 0 {
			t.Errorf("a session is left with search_path %s, enable_seqscan %s and %d statements", path, seqscan, prepared)
		}
	}
}

// A role is one process's through any pooler, also when the session that it was
// taken in serves others.
func TestOneProcessHasARoleThroughAPooler(t *testing.T) {
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			pooler := newPooler(t, mode, 20)
			options := through(pooler, "")
			var stores []*postgres.Store
			for range 3 {
				store := mustOpen(t, options)
				defer func() { must(t, store.Close()) }()
				if !postgres.Shared(store) {
					t.Error("the pooler was not noticed")
				}
				stores = append(stores, store)
			}
			for round := range 5 {
				var mutex sync.Mutex
				var holders []context.CancelFunc
				var group sync.WaitGroup
				for _, store := range stores {
					for range 3 {
						group.Go(func() {
							held, release, err := store.Hold(t.Context(), index.RoleBackground)
							mutex.Lock()
							defer mutex.Unlock()
							switch {
							case err == nil && held.Err() == nil:
								holders = append(holders, release)
							case !errors.Is(err, index.ErrInUse):
								t.Errorf("hold: %v", err)
							}
						})
					}
				}
				group.Wait()
				if len(holders) != 1 {
					t.Fatalf("round %d: %d have the role", round, len(holders))
				}
				holders[0]()
			}
		})
	}
}

// A pooler that gives each statement another session can't be used, and the
// error says what to set.
func TestAPoolerOfStatementsIsRefused(t *testing.T) {
	pooler := newPooler(t, "statement", 5)
	_, err := postgres.Open(t.Context(), through(pooler, ""))
	if err == nil || errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), "pool_mode=session or transaction") {
		t.Errorf("got error %v", err)
	}
	var schemas int
	must(t, connected(t, os.Getenv(serverVariable)).QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname = $1`,
		pgx.Identifier{through(pooler, "").Schema}.Sanitize()).Scan(&schemas))
	if schemas != 0 {
		t.Error("something was made")
	}
}
