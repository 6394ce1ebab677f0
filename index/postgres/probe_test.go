package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
)

// What the index rests on has to be shown when it is opened: a database that
// can't do it, or what is in front of it, is refused with the reason.
func TestWhatTheIndexCanNotRestOnIsRefused(t *testing.T) {
	for _, c := range []struct {
		name      string
		statement func(string) string
		pooled    bool
		want      string
	}{
		{"row locks that exclude nobody", replacing(" FOR UPDATE SKIP LOCKED", ""), false, "a row that one connection has locked is given to another"},
		{"the same behind a pooler", replacing(" FOR UPDATE SKIP LOCKED", ""), true, "a row that one connection has locked is given to another"},
		{"locks that outlive transactions", endless, false, "stays locked"},
		{"leases for everybody", replacing("WHERE l.until <= clock_timestamp() AND", "WHERE true OR"), false, "a lease that one connection has taken is given to another"},
		{"no settings", replacing("set_config('statement_timeout',", "concat("), false, "statement_timeout 0"},
		{"no settings behind a pooler", replacing("set_config('search_path',", "concat("), true, "pool_mode=session or transaction"},
		{"no durability", replacing("set_config('synchronous_commit', CASE", "set_config('synchronous_commit', 'off', false), concat(CASE"), false, "synchronous_commit off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := newOptions()
			must(t, mustOpen(t, options).Close())
			options.URL = newRelay(t, options.URL, func(r *relay) { r.statement, r.pooled = c.statement, c.pooled }).url
			store, err := postgres.Open(t.Context(), options)
			if err == nil {
				t.Fatal("it was opened", store.Close())
			}
			if errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// endless keeps transactions from their end.
func endless(sql string) string {
	if sql == "commit" || sql == "rollback" {
		return "select 1"
	}
	return sql
}

// Advisory locks that keep nobody out, as some have that speak PostgreSQL's
// protocol, are not what the index rests on.
func TestAdvisoryLocksMayExcludeNobody(t *testing.T) {
	options := newOptions()
	options.URL = newRelay(t, options.URL, func(r *relay) {
		r.statement = replacing("pg_advisory_xact_lock($1)", "$1::bigint", "pg_try_advisory_xact_lock($1)", "$1::bigint IS NOT NULL")
	}).url
	pushAtOnce(t, mustOpen(t, options), mustOpen(t, options), mustOpen(t, options))
}

// A relay that changes nothing is not noticed; one that hides sessions has every
// transaction sent whole.
func TestARelayMayBeBetween(t *testing.T) {
	for _, pooled := range []bool{false, true} {
		options := newOptions()
		options.URL = newRelay(t, options.URL, func(r *relay) { r.pooled = pooled }).url
		store := mustOpen(t, options)
		if postgres.Shared(store) != pooled {
			t.Errorf("pooled %t: taken for %t", pooled, !pooled)
		}
		pushAtOnce(t, store)
	}
}
