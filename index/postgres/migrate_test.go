package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
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
