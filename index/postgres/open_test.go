package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
	"github.com/backref/backref/test/rig"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

func TestALaterFormatIsLeftAlone(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	must(t, store.Observe(t.Context(), 0, numbered(1)))
	conn := connected(t, options.URL)
	schema := pgx.Identifier{options.Schema}.Sanitize()
	_, err := conn.Exec(t.Context(), `UPDATE `+schema+`.meta SET format = 99`)
	must(t, err)
	// A process that runs still changes nothing either.
	if err := store.Observe(t.Context(), 0, numbered(2)); !errors.Is(err, index.ErrFormat) {
		t.Errorf("got error %v, want %v", err, index.ErrFormat)
	}
	must(t, store.Close())
	if _, err := postgres.Open(t.Context(), options); !errors.Is(err, index.ErrFormat) {
		t.Errorf("got error %v, want %v", err, index.ErrFormat)
	}
	var format, records int
	must(t, conn.QueryRow(t.Context(), `SELECT format, (SELECT count(*) FROM `+schema+`.manifests) FROM `+schema+`.meta`).Scan(&format, &records))
	if format != 99 || records != 1 {
		t.Errorf("format %d with %d records", format, records)
	}
}

// A schema from before listings were kept is brought forward, with what it holds.
func TestASchemaOfBeforeGetsWhatItLacks(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	must(t, store.Observe(t.Context(), 0, numbered(1)))
	must(t, store.Close())
	for _, table := range []string{"served", "unheld", "made", "steps"} {
		_, err := connected(t, options.URL).Exec(t.Context(), `DROP TABLE `+pgx.Identifier{options.Schema, table}.Sanitize())
		must(t, err)
	}
	store = mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	must(t, get(t.Context(), store, numbered(1)))
	body := []byte("listing")
	listing := index.ServedListing{Repository: "app", Digest: digest.FromBytes(body), Tag: "t", Body: body, Until: time.Unix(2, 0)}
	must(t, store.SaveListing(t.Context(), listing, time.Unix(1, 0), 1<<20))
	must(t, store.SetUnheld(t.Context(), "app", listing.Digest, true))
	if got, err := store.Listing(t.Context(), "app", listing.Digest, time.Unix(1, 0)); err != nil || string(got.Body) != "listing" {
		t.Errorf("got %q, %v", got.Body, err)
	}
}

func TestManyOpenAtOnce(t *testing.T) {
	options := newOptions()
	options.Connections = 2
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			store, err := postgres.Open(t.Context(), options)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(store.Observe(t.Context(), 0, numbered(i)), store.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	stats, err := store.Stats(t.Context())
	must(t, err)
	if stats.Records != 8 {
		t.Errorf("%d records", stats.Records)
	}
}

func TestWhatCanNotBeOpened(t *testing.T) {
	for name, c := range map[string]struct{ url, want string }{
		"nobody listens": {"postgres://nobody:hunter2@127.0.0.1:1/none", "connect"},
		"no URL":         {"postgres://nobody:hunter2@127.0.0.1:wrong/none", "parse"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.Open(t.Context(), postgres.Options{URL: c.url})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// What was acknowledged is there after a crash of the database, although its
// default is to acknowledge before it writes.
func TestTheDatabaseCrashes(t *testing.T) {
	server := rig.NewPostgres(t, true)
	conn := connected(t, server.URL)
	_, err := conn.Exec(t.Context(), `ALTER SYSTEM SET synchronous_commit = off`)
	must(t, err)
	must(t, server.Stop())
	must(t, server.Start())
	store := mustOpen(t, postgres.Options{URL: server.URL})
	defer func() { must(t, store.Close()) }()
	pushed := 0
	for range 3 {
		for range 20 {
			must(t, push(t.Context(), store, numbered(pushed)))
			pushed++
		}
		must(t, server.Kill())
		for _, err := range []error{push(t.Context(), store, numbered(pushed)), get(t.Context(), store, numbered(0))} {
			if err == nil || errors.Is(err, index.ErrNotFound) {
				t.Fatalf("a database that is dead answered: %v", err)
			}
		}
		must(t, server.Start())
		// The connections that there were are found to be dead one by one.
		for get(t.Context(), store, numbered(0)) != nil {
			if t.Context().Err() != nil {
				t.Fatal("the store never comes back")
			}
		}
		for i := range pushed {
			must(t, get(t.Context(), store, numbered(i)))
		}
		for push(t.Context(), store, numbered(pushed)) != nil {
			if t.Context().Err() != nil {
				t.Fatal("the store can't be written to any more")
			}
		}
		pushed++
	}
}
