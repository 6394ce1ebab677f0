package postgres_test

import (
	"context"
	"slices"
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

// said are the texts that a store has said.
type said struct {
	mutex sync.Mutex
	texts []string
}

func (s *said) say(text string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.texts = append(s.texts, text)
}

func (s *said) has(part string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.ContainsFunc(s.texts, func(text string) bool { return strings.Contains(text, part) })
}

const (
	waitForNobody = `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`
	waitNoLonger  = `ALTER SYSTEM SET synchronous_standby_names = ''`
)

// lonely is a primary whose commits wait for a standby that there is none of,
// and a store in it.
func lonely(t *testing.T, version int, options postgres.Options) (*rig.Postgres, *postgres.Store) {
	t.Helper()
	server := rig.NewPostgresVersion(t, version, false)
	options.URL = server.URL
	store := mustOpen(t, options)
	// Its end waits for the upkeep, which may wait for a commit.
	t.Cleanup(func() {
		must(t, server.Set(waitNoLonger))
		must(t, store.Close())
	})
	must(t, push(t.Context(), store, numbered(0)))
	isolate(t, server)
	return server, store
}

// isolate has all commits wait for a standby that there is none of. It returns
// when they do.
func isolate(t *testing.T, server *rig.Postgres) {
	t.Helper()
	must(t, server.Set(waitForNobody))
	for waits := false; !waits; {
		conn := connected(t, server.URL)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := conn.Exec(ctx, `SELECT pg_logical_emit_message(true, 'test', '')`)
		cancel()
		waits = err != nil
	}
	eventually(t, server, nothingWaits)
}

// eventually asks until a row is true.
func eventually(t *testing.T, server *rig.Postgres, question string) {
	t.Helper()
	conn := connected(t, server.URL)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var yes bool
		must(t, conn.QueryRow(t.Context(), question).Scan(&yes))
		if yes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never true: %s", question)
		}
	}
}

const (
	commitWaits  = `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep')`
	nothingWaits = `SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep')`
	cancelWait   = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
)

// A commit whose wait for the standby is cancelled is a success of the database
// and none of the store.
func TestACancelledCommitIsNoSuccess(t *testing.T) {
	for _, version := range versions(t) {
		var log said
		server, store := lonely(t, version, postgres.Options{Say: log.say})
		pushed := make(chan error, 1)
		go func() { pushed <- store.Observe(t.Context(), 0, numbered(1)) }()
		eventually(t, server, commitWaits)
		must(t, server.Exec(cancelWait))
		if err := <-pushed; err == nil || !strings.Contains(err.Error(), "not known") {
			t.Errorf("PostgreSQL %d: got error %v", version, err)
		}
		if !log.has("01000") {
			t.Errorf("PostgreSQL %d: said %q", version, log.texts)
		}
		// It is there all the same.
		eventually(t, server, `SELECT count(*) = 2 FROM backref.manifests`)
		must(t, server.Set(waitNoLonger))
		must(t, push(t.Context(), store, numbered(1)))
	}
}

// Neither the store's own time nor the end of a request has the database show
// what no standby has.
func TestNoWaitForAStandbyIsBrokenOff(t *testing.T) {
	server, store := lonely(t, 0, postgres.Options{Timeout: 500 * time.Millisecond})
	body := []byte("listing")
	listing := index.ServedListing{Repository: repo, Digest: digest.FromBytes(body), Tag: "t", Body: body, Until: time.Unix(2, 0)}
	for name, change := range map[string]func(ctx context.Context) error{
		"a batch":             func(ctx context.Context) error { return push(ctx, store, numbered(1)) },
		"a change of its own": func(ctx context.Context) error { return store.SetUnheld(ctx, repo, digest.FromBytes(body), true) },
		"no transaction":      func(ctx context.Context) error { return store.SaveListing(ctx, listing, time.Unix(1, 0), 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			before := locallyCommitted(t, server)
			if err := change(t.Context()); err == nil {
				t.Fatal("what no standby has was acknowledged")
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- change(ctx) }()
			eventually(t, server, commitWaits)
			cancel()
			if err := <-ended; err == nil {
				t.Fatal("what no standby has was acknowledged")
			}
			// Others wait for its lock still.
			if err := change(t.Context()); err == nil {
				t.Fatal("what no standby has was acknowledged")
			}
			eventually(t, server, commitWaits)
			if after := locallyCommitted(t, server); after != before {
				t.Errorf("the database shows %s, before it was %s", after, before)
			}
			must(t, server.Set(waitNoLonger))
			eventually(t, server, nothingWaits)
			if after := locallyCommitted(t, server); after == before {
				t.Errorf("the database shows %s, although nothing waits any more", after)
			}
			isolate(t, server)
		})
	}
}

// locallyCommitted tells how much of each kind others see.
func locallyCommitted(t *testing.T, server *rig.Postgres) (counts string) {
	t.Helper()
	must(t, connected(t, server.URL).QueryRow(t.Context(), `SELECT concat_ws(' ',
		(SELECT count(*) FROM backref.intents), (SELECT count(*) FROM backref.unheld), (SELECT count(*) FROM backref.served))`).Scan(&counts))
	return counts
}

// With the durability of a standby nothing counts that was not waited for.
func TestDurabilityStandby(t *testing.T) {
	server := rig.NewPostgres(t, false)
	options := postgres.Options{URL: server.URL, Durability: postgres.DurabilityStandby}
	if _, err := postgres.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "synchronous_standby_names") {
		t.Fatalf("got error %v", err)
	}
	for _, mode := range []string{"", "&default_query_exec_mode=simple_protocol"} {
		local := options
		local.Durability, local.Schema = postgres.DurabilityLocal, "backref"+mode
		must(t, mustOpen(t, local).Close())
		isolate(t, server)
		options.URL, options.Schema = server.URL+mode, local.Schema
		store := mustOpen(t, options)
		pushed := make(chan error, 1)
		go func() { pushed <- push(t.Context(), store, numbered(1)) }()
		eventually(t, server, commitWaits)
		// The wait ends with a success, and no warning.
		must(t, server.Set(waitNoLonger))
		for _, err := range []error{<-pushed, push(t.Context(), store, numbered(2))} {
			if err == nil || !strings.Contains(err.Error(), "synchronous_standby_names") {
				t.Errorf("mode %q: got error %v", mode, err)
			}
		}
		// What was refused before its commit has not happened.
		var intents int
		must(t, connected(t, server.URL).QueryRow(t.Context(), `SELECT count(*) FROM `+pgx.Identifier{local.Schema, "intents"}.Sanitize()).Scan(&intents))
		if intents != 1 {
			t.Errorf("mode %q: %d intents", mode, intents)
		}
		if _, err := store.Mark(t.Context()); err != nil {
			t.Errorf("mode %q: what is there can't be read: %v", mode, err)
		}
		must(t, store.Close())
	}
}

// Settings by which a database loses changes are said, those of a user too.
func TestRisksAreSaid(t *testing.T) {
	server := rig.NewPostgres(t, false)
	must(t, server.Exec(`ALTER ROLE backref SET synchronous_commit = off`))
	var log said
	store := mustOpen(t, postgres.Options{URL: server.URL, Say: log.say})
	must(t, push(t.Context(), store, numbered(1)))
	must(t, store.Close())
	for _, part := range []string{"fsync is off", "full_page_writes is off", "synchronous_commit of the user or server is off"} {
		if !log.has(part) {
			t.Errorf("%q is not in %q", part, log.texts)
		}
	}
	if len(log.texts) != 1 {
		t.Errorf("said %q", log.texts)
	}
}
