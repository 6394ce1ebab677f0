package index

import "context"

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
)

// Bounds of an entry.
const (
	MaxJournalKey   = 512      // bytes
	MaxJournalValue = 64 << 10 // bytes
)

// Journal keeps small entries beside the records: what decisions and long work
// leave to whoever comes after them. Entries outlive rebuilds, and have nothing to
// do with what the records say. What [Store] says of errors, concurrency and
// durability holds here too; a key or value that is empty or above its bound, and
// a book that is none, is [ErrInvalid].
type Journal interface {
	// WriteJournal writes entries, each in the place of the one with its key, in
	// one transaction.
	WriteJournal(ctx context.Context, book Book, entries ...JournalEntry) error

	// ReadJournal lists entries in the order of their keys, byte by byte: at most
	// limit, those behind after.
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
