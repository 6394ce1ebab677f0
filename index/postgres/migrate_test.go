package postgres_test

import (
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/indextest"
	"github.com/backref/backref/index/postgres"
)

// formats has a dump of the tables of each version that changed them, and what
// these versions read in it.
const formats = "../testdata/formats"

// restored returns the options of a store in a schema that a dump was restored
// to.
func restored(t *testing.T, dump string) postgres.Options {
	t.Helper()
	options := newOptions()
	statements, err := os.ReadFile(dump)
	must(t, err)
	schema := pgx.Identifier{options.Schema}.Sanitize()
	text := strings.NewReplacer("CREATE SCHEMA backref;", "CREATE SCHEMA "+schema+";", "backref.", schema+".").Replace(string(statements))
	conn := connected(t, options.URL)
	_, err = conn.PgConn().Exec(t.Context(), text).ReadAll()
	must(t, err)
	return options
}

func TestEarlierFormats(t *testing.T) {
	dumps, err := filepath.Glob(filepath.Join(formats, "postgres-*.sql"))
	must(t, err)
	if len(dumps) < 3 {
		t.Fatalf("there are only %v", dumps)
	}
	for _, dump := range dumps {
		t.Run(strings.TrimSuffix(filepath.Base(dump), ".sql"), func(t *testing.T) {
			options := restored(t, dump)
			// All replicas are started at once; one of them brings it forward.
			var group sync.WaitGroup
			stores := make([]*postgres.Store, 4)
			var mutex sync.Mutex
			var told []index.Migration
			options.Connections = 2
			options.Migrating = func(m index.Migration) error {
				mutex.Lock()
				defer mutex.Unlock()
				told = append(told, m)
				return nil
			}
			for i := range stores {
				group.Go(func() {
					var err error
					if stores[i], err = postgres.Open(t.Context(), options); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if t.Failed() {
				return
			}
			indextest.Formats(t, stores[0], formats, true)
			for _, store := range stores {
				must(t, store.Close())
			}
			switch older := strings.HasSuffix(dump, "-a.sql"); {
			case len(told) > 1, older && (len(told) != 1 || !told[0].Done || told[0].From != 1):
				t.Errorf("it was told %+v", told)
			}
		})
	}
}

// TestAnOlderVersionRunsBeside uses tables as a later version leaves them for
// this one: with what this one doesn't know.
func TestAnOlderVersionRunsBeside(t *testing.T) {
	options := newOptions()
	must(t, mustOpen(t, options).Close())
	schema := pgx.Identifier{options.Schema}.Sanitize()
	_, err := connected(t, options.URL).PgConn().Exec(t.Context(), strings.ReplaceAll(`
		CREATE TABLE $.notes (note text PRIMARY KEY);
		ALTER TABLE $.manifests ADD COLUMN note text NOT NULL DEFAULT '';
		ALTER TABLE $.meta ADD COLUMN note text;
		ALTER TABLE $.intents ADD COLUMN note bigint;
		INSERT INTO $.steps (step) VALUES (1000)`, "$", schema)).ReadAll()
	must(t, err)
	options.Migrating = func(index.Migration) error {
		t.Error("it was changed")
		return nil
	}
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	must(t, push(t.Context(), store, numbered(1)))
	must(t, get(t.Context(), store, numbered(1)))
}

// Replicas that are started at once make the tables, or bring them forward, once,
// also through a pooler that gives each transaction another session; none fails,
// and nothing stays locked.
func TestTablesAreMadeOnceThroughAPooler(t *testing.T) {
	for _, dump := range []string{"", "postgres-1-a.sql", "postgres-1-b.sql"} {
		for range 3 {
			options := newOptions()
			if dump != "" {
				options = restored(t, filepath.Join(formats, dump))
			}
			direct := options.URL
			options.URL = newPooler(t, "transaction", 6).URL
			options.Connections = 2
			var told atomic.Int32
			options.Migrating = func(index.Migration) error { told.Add(1); return nil }
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					store, err := postgres.Open(t.Context(), options)
					if err != nil {
						t.Error(err)
						return
					}
					if err := store.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if want := min(len(dump), 1); int(told.Load()) != want {
				t.Errorf("%q: it was told %d times, want %d", dump, told.Load(), want)
			}
			wantUnlocked(t, direct)
		}
	}
}

// wantUnlocked waits until nobody has an advisory lock: a process that was closed
// ends its sessions a moment later.
func wantUnlocked(t *testing.T, url string) {
	t.Helper()
	conn := connected(t, url)
	waitFor(t, "no lock is left", func() bool {
		var locks int
		must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`).Scan(&locks))
		return locks == 0
	})
}

// Who may not change tables uses those that are there, and is refused where some
// are missing.
func TestARoleThatMakesNoTables(t *testing.T) {
	options := newOptions()
	must(t, mustOpen(t, options).Close())
	schema, conn := pgx.Identifier{options.Schema}.Sanitize(), connected(t, options.URL)
	role := strings.ToLower("reader" + rand.Text())
	_, err := conn.PgConn().Exec(t.Context(), strings.NewReplacer("$schema", schema, "$role", role).Replace(`
		CREATE ROLE $role LOGIN;
		GRANT USAGE ON SCHEMA $schema TO $role;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA $schema TO $role;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA $schema TO $role;
		GRANT EXECUTE ON FUNCTION pg_control_system() TO $role;
		GRANT EXECUTE ON FUNCTION pg_control_checkpoint() TO $role`)).ReadAll()
	must(t, err)
	limited := options
	address, err := url.Parse(options.URL)
	must(t, err)
	address.User = url.User(role)
	limited.URL = address.String()
	store := mustOpen(t, limited)
	must(t, push(t.Context(), store, numbered(1)))
	must(t, get(t.Context(), store, numbered(1)))
	must(t, store.Close())
	_, err = conn.Exec(t.Context(), `DELETE FROM `+schema+`.steps WHERE step = 4; DROP TABLE `+schema+`.leases`)
	must(t, err)
	if _, err := postgres.Open(t.Context(), limited); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("it was opened: %v", err)
	}
	must(t, mustOpen(t, options).Close())
}
