package indextest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

// books are those of a journal.
func books() []index.Book {
	return []index.Book{index.BookAudit, index.BookRetention, index.BookGone, index.BookAliases, index.BookSecrets, index.BookSessions}
}

func journalStories() []story {
	return []story{
		upkeep("a journal is read in the order of its keys, in pages", journalPages),
		upkeep("an entry takes the place of the one with its key", journalReplaced),
		upkeep("entries are dropped by their keys", journalDropped),
		upkeep("the first entries are trimmed", journalTrimmed),
		upkeep("each book has entries of its own", journalBooks),
		upkeep("a journal has nothing to do with records", journalRebuilt),
		upkeep("many write to a journal at once", journalAtOnce),
	}
}

// journalLimits are what the model doesn't check.
func journalLimits() []story {
	return []story{
		upkeep("an entry as large as may be fits", journalLarge),
		upkeep("what is no entry is refused", journalRefused),
	}
}

// entriesOf makes entries of their keys.
func entriesOf(keys ...string) []index.JournalEntry {
	entries := make([]index.JournalEntry, len(keys))
	for i, key := range keys {
		entries[i] = index.JournalEntry{Key: key, Value: []byte("value of " + key)}
	}
	return entries
}

func write(t tester, journal index.Journal, book index.Book, keys ...string) {
	t.Helper()
	must(t, journal.WriteJournal(t.Context(), book, entriesOf(keys...)...))
}

func wantJournal(t tester, journal index.Journal, book index.Book, keys ...string) {
	t.Helper()
	got, err := journal.ReadJournal(t.Context(), book, "", 0)
	must(t, err)
	equal(t, "journal", got, entriesOf(keys...))
}

func journalPages(t *testing.T, store index.Maintainer) {
	wantJournal(t, store, index.BookAudit)
	write(t, store, index.BookAudit, "b", "\xff", "a\x00", "a", "ab", "\x00")
	wantJournal(t, store, index.BookAudit, "\x00", "a", "a\x00", "ab", "b", "\xff")
	for _, page := range []struct {
		after string
		limit int
		want  []string
	}{
		{"", 2, []string{"\x00", "a"}},
		{"a", 2, []string{"a\x00", "ab"}},
		{"aa", 10, []string{"ab", "b", "\xff"}},
		{"b", 1, []string{"\xff"}},
		{"\xff", 1, nil},
	} {
		got, err := store.ReadJournal(t.Context(), index.BookAudit, page.after, page.limit)
		must(t, err)
		equal(t, "page behind "+page.after, got, entriesOf(page.want...))
	}
}

func journalReplaced(t *testing.T, store index.Maintainer) {
	write(t, store, index.BookAudit, "a", "b")
	must(t, store.WriteJournal(t.Context(), index.BookAudit,
		index.JournalEntry{Key: "b", Value: []byte("once")}, index.JournalEntry{Key: "c", Value: []byte("c")},
		index.JournalEntry{Key: "b", Value: []byte("twice")}))
	got, err := store.ReadJournal(t.Context(), index.BookAudit, "a", 0)
	must(t, err)
	equal(t, "entries", got, []index.JournalEntry{{Key: "b", Value: []byte("twice")}, {Key: "c", Value: []byte("c")}})
}

func journalDropped(t *testing.T, store index.Maintainer) {
	must(t, store.DropJournal(t.Context(), index.BookGone, "a"))
	write(t, store, index.BookGone, "a", "b", "c")
	must(t, store.DropJournal(t.Context(), index.BookGone, "c", "none", "a", "a"))
	must(t, store.DropJournal(t.Context(), index.BookGone))
	wantJournal(t, store, index.BookGone, "b")
}

func journalTrimmed(t *testing.T, store index.Maintainer) {
	trim := func(before string, limit, want int) {
		t.Helper()
		dropped, err := store.TrimJournal(t.Context(), index.BookAudit, before, limit)
		must(t, err)
		equal(t, "dropped", dropped, want)
	}
	trim("z", 10, 0)
	write(t, store, index.BookAudit, "a", "b", "c", "d", "e")
	trim("", 10, 0)
	trim("d", 2, 2)
	wantJournal(t, store, index.BookAudit, "c", "d", "e")
	trim("d", 2, 1)
	trim("d\x00", 0, 1)
	wantJournal(t, store, index.BookAudit, "e")
}

func journalBooks(t *testing.T, store index.Maintainer) {
	for _, book := range books() {
		write(t, store, book, "shared", string(book))
	}
	must(t, store.DropJournal(t.Context(), index.BookRetention, "shared"))
	dropped, err := store.TrimJournal(t.Context(), index.BookGone, "z", 0)
	must(t, err)
	equal(t, "dropped", dropped, 2)
	wantJournal(t, store, index.BookAudit, "audit", "shared")
	wantJournal(t, store, index.BookRetention, "retention")
	wantJournal(t, store, index.BookGone)
}

func journalRebuilt(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	write(t, store, index.BookAudit, string(record.Digest))
	push(t, store, record)
	mirrored(t, store)
	written(t, store)
	before := mark(t, store)
	rebuilding(t, store)
	write(t, store, index.BookAudit, "meanwhile")
	must(t, store.Fill(t.Context(), before, nil, record))
	finished(t, store)
	equal(t, "mark", mark(t, store) >= before, true)
	wantJournal(t, store, index.BookAudit, "meanwhile", string(record.Digest))
	remove(t, store, record)
	wantJournal(t, store, index.BookAudit, "meanwhile", string(record.Digest))
	must(t, store.DropJournal(t.Context(), index.BookAudit, "meanwhile"))
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func journalAtOnce(t *testing.T, store index.Maintainer) {
	atOnce(t, func(ctx context.Context, worker int) error {
		for round := range rounds {
			own := fmt.Sprintf("%02d-%d", worker, round)
			// Each has what all write, in an order of its own.
			keys := []string{own, "shared-1", "shared-2"}
			if worker%2 == 0 {
				slices.Reverse(keys)
			}
			if err := store.WriteJournal(ctx, index.BookAudit, entriesOf(keys...)...); err != nil {
				return err
			}
			if round%2 == 0 {
				if err := store.DropJournal(ctx, index.BookAudit, own, "none"); err != nil {
					return err
				}
			}
			got, err := store.ReadJournal(ctx, index.BookAudit, own[:3], 0)
			if err != nil {
				return err
			}
			if shown := slices.ContainsFunc(got, func(e index.JournalEntry) bool { return e.Key == own }); shown != (round%2 == 1) {
				return fmt.Errorf("%s is there: %t", own, shown)
			}
		}
		return nil
	})
	all, err := store.ReadJournal(t.Context(), index.BookAudit, "", 0)
	must(t, err)
	equal(t, "entries", len(all), workers*rounds/2+2)
}

func journalLarge(t *testing.T, store index.Maintainer) {
	entry := index.JournalEntry{Key: strings.Repeat("k", index.MaxJournalKey), Value: bytes.Repeat([]byte("v"), index.MaxJournalValue)}
	must(t, store.WriteJournal(t.Context(), index.BookRetention, entry))
	got, err := store.ReadJournal(t.Context(), index.BookRetention, entry.Key[1:], 1)
	must(t, err)
	equal(t, "entry", got, []index.JournalEntry{entry})
	must(t, store.DropJournal(t.Context(), index.BookRetention, entry.Key))
	wantJournal(t, store, index.BookRetention)
}

func journalRefused(t *testing.T, store index.Maintainer) {
	long := strings.Repeat("k", index.MaxJournalKey+1)
	ctx, good := t.Context(), entriesOf("good")[0]
	for _, wrong := range []index.JournalEntry{
		{Key: "", Value: []byte("v")}, {Key: long, Value: []byte("v")}, {Key: "k"}, {Key: "k", Value: make([]byte, index.MaxJournalValue+1)},
	} {
		mustBe(t, store.WriteJournal(ctx, index.BookAudit, good, wrong), index.ErrInvalid)
	}
	for _, wrong := range []string{"", long} {
		mustBe(t, store.DropJournal(ctx, index.BookAudit, "good", wrong), index.ErrInvalid)
	}
	_, err := store.ReadJournal(ctx, index.BookAudit, long, 1)
	mustBe(t, err, index.ErrInvalid)
	_, err = store.TrimJournal(ctx, index.BookAudit, long, 1)
	mustBe(t, err, index.ErrInvalid)
	for _, book := range []index.Book{"", "other", "audit\x00"} {
		refusedCalls(t, journalCalls(ctx, store, book), index.ErrInvalid)
		mustBe(t, store.WriteJournal(ctx, book), index.ErrInvalid)
	}
	wantJournal(t, store, index.BookAudit)
}

// journalCalls makes every call that is about a book.
func journalCalls(ctx context.Context, store index.Journal, book index.Book) []call {
	_, read := store.ReadJournal(ctx, book, "", 1)
	_, trim := store.TrimJournal(ctx, book, "k", 1)
	return []call{
		{"WriteJournal", store.WriteJournal(ctx, book, entriesOf("good")...)},
		{"ReadJournal", read},
		{"DropJournal", store.DropJournal(ctx, book, "good")},
		{"TrimJournal", trim},
	}
}

func journalAgain(t *testing.T, open func() index.Maintainer) {
	store := open()
	write(t, store, index.BookAudit, "a", "b", "c")
	write(t, store, index.BookGone, "d")
	must(t, store.Close())

	store = open()
	wantJournal(t, store, index.BookAudit, "a", "b", "c")
	dropped, err := store.TrimJournal(t.Context(), index.BookAudit, "b", 10)
	must(t, err)
	equal(t, "dropped", dropped, 1)
	must(t, store.DropJournal(t.Context(), index.BookGone, "d"))
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	wantJournal(t, store, index.BookAudit, "b", "c")
	wantJournal(t, store, index.BookGone)
}

// addJournal adds the calls of a journal to those of a history.
func (h *history) addJournal(actions map[string]func(*rapid.T)) {
	actions["write journal"] = h.writeJournal
	actions["shorten journal"] = h.shortenJournal
}

func (h *history) writeJournal(rt *rapid.T) {
	book := rapid.SampledFrom(books()).Draw(rt, "book")
	var entries []index.JournalEntry
	for range rapid.IntRange(0, 3).Draw(rt, "entries") {
		value := []byte{rapid.Byte().Draw(rt, "value")}
		entries = append(entries, index.JournalEntry{Key: journalKey(rt), Value: value})
	}
	h.check(rt, h.keeper.WriteJournal(rt.Context(), book, entries...))
	h.check(rt, h.model.WriteJournal(rt.Context(), book, entries...))
}

func journalKey(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "a\x00", "ab", "b", "\xff", "\x00"}).Draw(rt, "key")
}

func (h *history) shortenJournal(rt *rapid.T) {
	book, key := rapid.SampledFrom(books()).Draw(rt, "book"), journalKey(rt)
	if rapid.Bool().Draw(rt, "drop") {
		h.check(rt, h.keeper.DropJournal(rt.Context(), book, key))
		h.check(rt, h.model.DropJournal(rt.Context(), book, key))
		return
	}
	limit := rapid.IntRange(0, 2).Draw(rt, "limit")
	got, err := h.keeper.TrimJournal(rt.Context(), book, key, limit)
	h.check(rt, err)
	want, _ := h.model.TrimJournal(rt.Context(), book, key, limit)
	equal(rt, "dropped", got, want)
}

func (h *history) compareJournal() {
	for _, book := range books() {
		got, err := h.keeper.ReadJournal(h.t.Context(), book, "", 0)
		h.check(h.t, err)
		want, _ := h.model.ReadJournal(h.t.Context(), book, "", 0)
		equal(h.t, "journal "+string(book), got, want)
		got, err = h.keeper.ReadJournal(h.t.Context(), book, "a", 2)
		h.check(h.t, err)
		want, _ = h.model.ReadJournal(h.t.Context(), book, "a", 2)
		equal(h.t, "page of "+string(book), got, want)
	}
}

// WriteJournal implements [index.Journal].
func (m *Model) WriteJournal(_ context.Context, book index.Book, entries ...index.JournalEntry) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.journal[book] == nil {
		m.journal[book] = map[string][]byte{}
	}
	for _, entry := range entries {
		m.journal[book][entry.Key] = bytes.Clone(entry.Value)
	}
	return nil
}

// ReadJournal implements [index.Journal].
func (m *Model) ReadJournal(_ context.Context, book index.Book, after string, limit int) ([]index.JournalEntry, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var entries []index.JournalEntry
	for _, key := range slices.Sorted(maps.Keys(m.journal[book])) {
		if key > after && (limit == 0 || len(entries) < limit) {
			entries = append(entries, index.JournalEntry{Key: key, Value: bytes.Clone(m.journal[book][key])})
		}
	}
	return entries, nil
}

// DropJournal implements [index.Journal].
func (m *Model) DropJournal(_ context.Context, book index.Book, keys ...string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, key := range keys {
		delete(m.journal[book], key)
	}
	return nil
}

// TrimJournal implements [index.Journal].
func (m *Model) TrimJournal(_ context.Context, book index.Book, before string, limit int) (dropped int, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, key := range slices.Sorted(maps.Keys(m.journal[book])) {
		if key < before && (limit == 0 || dropped < limit) {
			delete(m.journal[book], key)
			dropped++
		}
	}
	return dropped, nil
}
