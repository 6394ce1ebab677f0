package notice

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/backref/backref/index"
)

// progress is how far a hook is, as the journal has it under the hook's name.
type progress struct {
	// Through is the number of the last notice that needs nothing any more.
	Through uint64 `json:"through"`
	// Attempts are those of the notice behind that which have failed, and Next is when
	// it is tried again.
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next,omitzero"`
	// Gone is the target ([Hook.target]) whose receiver wants no more messages; empty
	// where that is not so.
	Gone string `json:"gone,omitempty"`
}

// readProgress reads how far a hook is; found is false for one that was never there.
func readProgress(ctx context.Context, journal index.Journal, hook string) (p progress, found bool, err error) {
	entry, found, err := readEntry(ctx, journal, index.BookNotices, hook)
	if err != nil || !found {
		return p, false, err
	}
	if err := json.Unmarshal(entry.Value, &p); err != nil {
		return p, false, fmt.Errorf("%w: progress of the hook %s: %w", index.ErrDamaged, hook, err)
	}
	return p, true, nil
}

func writeProgress(ctx context.Context, journal index.Journal, hook string, p progress) error {
	value, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return journal.WriteJournal(ctx, index.BookNotices, index.JournalEntry{Key: hook, Value: value})
}

// readEntry reads the entry of a book that has a key. A book is read behind a place, so
// it is looked for behind the last one that comes before all with that beginning.
func readEntry(ctx context.Context, journal index.Journal, book index.Book, key string) (index.JournalEntry, bool, error) {
	before := key[:len(key)-1]
	for {
		entries, err := journal.ReadJournal(ctx, book, before, deadRead)
		if err != nil {
			return index.JournalEntry{}, false, err
		}
		for _, entry := range entries {
			if entry.Key >= key {
				return entry, entry.Key == key, nil
			}
			before = entry.Key
		}
		if len(entries) < deadRead {
			return index.JournalEntry{}, false, nil
		}
	}
}
