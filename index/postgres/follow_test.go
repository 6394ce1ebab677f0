package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
	"github.com/backref/backref/oci"
)

// follower looks at the listing of a subject as a process does that keeps it.
type follower struct {
	t     *testing.T
	store *postgres.Store
}

// version returns the version of a listing, of which all that was acknowledged is
// known.
func (f follower) version(subject string) uint64 {
	f.t.Helper()
	must(f.t, f.store.CatchUp(f.t.Context()))
	return f.store.Version(repo, oci.ReferrersTag(digest.FromString(subject)))
}

// wantChanged wants another version of the listings that something changes, and
// the same one of the others.
func (f follower) wantChanged(name string, change func(), changed, same []string) {
	f.t.Helper()
	before := map[string]uint64{}
	for _, subject := range append(changed, same...) {
		before[subject] = f.version(subject)
	}
	change()
	for _, subject := range changed {
		if f.version(subject) == before[subject] {
			f.t.Errorf("%s: the listing of %s seems to be as it was", name, subject)
		}
	}
	for _, subject := range same {
		if f.version(subject) != before[subject] {
			f.t.Errorf("%s: the listing of %s seems to have changed", name, subject)
		}
	}
}

// What one process changes is known to another one for the listings that it is
// about, and costs the others nothing.
func TestProcessesFollowEachOther(t *testing.T) {
	options := newOptions()
	writer, reader := mustOpen(t, options), mustOpen(t, options)
	defer func() { must(t, errors.Join(writer.Close(), reader.Close())) }()
	f := follower{t, reader}
	must(t, push(t.Context(), writer, numbered(0)))
	f.wantChanged("a push", func() { must(t, push(t.Context(), writer, numbered(1))) }, []string{"subject"}, []string{"another"})
	f.wantChanged("nothing", func() {}, nil, []string{"subject", "another"})
	f.wantChanged("what is known already", func() {
		mark, err := writer.Mark(t.Context())
		must(t, err)
		must(t, writer.Observe(t.Context(), mark, numbered(1)))
	}, nil, []string{"subject", "another"})
	f.wantChanged("a manifest is forgotten", func() {
		mark, err := writer.Mark(t.Context())
		must(t, err)
		must(t, writer.Forget(t.Context(), mark, repo, numbered(1).Digest))
	}, []string{"subject"}, []string{"another"})
	f.wantChanged("a rebuild", func() {
		_, err := writer.BeginRebuild(t.Context())
		must(t, err)
		must(t, writer.FinishRebuild(t.Context()))
	}, []string{"subject", "another"}, nil)
}

// Whatever can't be followed counts as a change of all listings: what is written by
// others than this version, what was missed, and what another server has got in
// place of what was read.
func TestWhatCannotBeFollowedChangesAll(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	must(t, push(t.Context(), store, numbered(0)))
	f := follower{t, store}
	for i, test := range []struct{ name, statement string }{
		{"records by others", `UPDATE %[1]s.manifests SET stamp = stamp`},
		{"an intent is gone", `DELETE FROM %[1]s.intents`},
		{"another generation", `UPDATE %[1]s.meta SET live = live`},
		{"a gap", `WITH gone AS (DELETE FROM %[1]s.touches RETURNING number) INSERT INTO %[1]s.touches (number) SELECT max(number) + 9 FROM gone`},
		{"a hole", `INSERT INTO %[1]s.touches (number, listings) SELECT max(number) + 2, '{}' FROM %[1]s.touches`},
		{"fewer", `DELETE FROM %[1]s.touches WHERE number = (SELECT max(number) FROM %[1]s.touches)`},
		{"a number anew", `UPDATE %[1]s.touches SET nonce = DEFAULT`},
	} {
		must(t, push(t.Context(), store, numbered(1+i)))
		f.wantChanged(test.name, func() {
			conn := connected(t, options.URL)
			_, err := conn.Exec(t.Context(), fmt.Sprintf(test.statement, pgx.Identifier{options.Schema}.Sanitize()))
			must(t, err)
		}, []string{"another"}, nil)
	}
	page, err := store.Referrers(t.Context(), repo, digest.FromString("subject"), index.Query{})
	must(t, err)
	if len(page.Referrers) == 0 {
		t.Error("nothing is listed")
	}
}

// The table of touches doesn't grow with the changes.
func TestTouchesAreFew(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	conn := connected(t, options.URL)
	touches := pgx.Identifier{options.Schema, "touches"}.Sanitize()
	// Some lack, as where triggers have given numbers.
	_, err := conn.Exec(t.Context(), `INSERT INTO `+touches+` (number) SELECT n FROM generate_series(2, 4200) n WHERE n < 20 OR n > 40`)
	must(t, err)
	rows := func() (count int) {
		must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM `+touches).Scan(&count))
		return count
	}
	for i := range 5 {
		must(t, push(t.Context(), store, numbered(i)))
	}
	_, err = conn.Exec(t.Context(), `UPDATE `+pgx.Identifier{options.Schema, "meta"}.Sanitize()+` SET live = live`)
	must(t, err)
	if after := rows(); after > 4096 {
		t.Errorf("there are %d rows", after)
	}
}
