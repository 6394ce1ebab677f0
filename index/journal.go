package index

import (
	"context"
	"fmt"
)

// Book names a set of entries of a [Journal].
type Book string

// The books.
const (
	// BookAudit has what was denied and deleted, by time.
	BookAudit Book = "audit"
	// BookRetention has how far runs of retention have come.
	BookRetention Book = "retention"
	// BookGone has since when the subjects of referrers are known to be gone.
	BookGone Book = "gone"
	// BookAliases has by which digest the registry keeps what was pushed by another
	// one: see [Aliases].
	BookAliases Book = "aliases"
	// BookSecrets has by what what was given to clients is known again: see [Secrets].
	BookSecrets Book = "secrets"
	// BookSessions has by what sessions of the web page are sealed: see [SessionKeys].
	BookSessions Book = "sessions"
	// BookNotices has how far webhooks are, by their names.
	BookNotices Book = "notices"
	// BookDeadNotices has messages that no webhook could be given, by their number.
	BookDeadNotices Book = "notices-dead"
)

// Bounds of an entry.
const (
	MaxJournalKey   = 512      // bytes
	MaxJournalValue = 64 << 10 // bytes
)

// Journal keeps small entries beside the records: what decisions and long work
// leave to whoever comes after them. Entries outlive rebuilds, and have nothing to
// do with what the records say; a [Copier] copies them too. What [Store] says of
// errors, concurrency and durability holds here too. A key or value that is empty
// or above its bound, and a book that is none, is [ErrInvalid]. A limit of 0 means
// none.
type Journal interface {
	// WriteJournal writes entries, each in the place of the one with its key, in
	// one transaction. Of several with one key the last counts.
	WriteJournal(ctx context.Context, book Book, entries ...JournalEntry) error
	// ReadJournal lists entries in the order of their keys, byte by byte: at most
	// limit, those behind after, which need not be there. The empty key precedes
	// all others.
	ReadJournal(ctx context.Context, book Book, after string, limit int) ([]JournalEntry, error)
	// DropJournal drops the entries with these keys. One that is not there is no
	// error.
	DropJournal(ctx context.Context, book Book, keys ...string) error
	// TrimJournal drops the entries whose keys come before another: at most limit,
	// the first ones. It returns how many these were.
	TrimJournal(ctx context.Context, book Book, before string, limit int) (dropped int, err error)
}

// JournalEntry is an entry of a book.
type JournalEntry struct {
	Key   string
	Value []byte
}

// CheckEntries returns [ErrInvalid] where a book can't have one of the entries, or
// is none. It is for stores, as the functions beside it.
func (b Book) CheckEntries(entries ...JournalEntry) error {
	for _, entry := range entries {
		if err := b.CheckKeys(entry.Key); err != nil {
			return err
		}
		if n := len(entry.Value); n == 0 || n > MaxJournalValue {
			return fmt.Errorf("%w: journal value of %d bytes", ErrInvalid, n)
		}
	}
	return b.CheckKeys()
}

// CheckKeys returns [ErrInvalid] where no entry of a book can have one of the keys,
// or it is none.
func (b Book) CheckKeys(keys ...string) error {
	switch b {
	case BookAudit, BookRetention, BookGone, BookAliases, BookSecrets, BookSessions, BookNotices, BookDeadNotices:
	default:
		return fmt.Errorf("%w: book %.50q", ErrInvalid, string(b))
	}
	for _, key := range keys {
		if n := len(key); n == 0 || n > MaxJournalKey {
			return fmt.Errorf("%w: journal key of %d bytes", ErrInvalid, n)
		}
	}
	return nil
}

// CheckPlace returns [ErrInvalid] where a place in a book is neither a key nor
// before all of them, or it is none.
func (b Book) CheckPlace(place string) error {
	if place == "" {
		return b.CheckKeys()
	}
	return b.CheckKeys(place)
}
