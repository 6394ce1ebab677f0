package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

const (
	// maxDead is the most dead letters that are kept; beyond it the oldest go.
	maxDead = 10_000
	// deadRead is how many entries of a book are read at once.
	deadRead = 100
	// maxReason bounds what is kept of why a message could not be delivered, in bytes.
	maxReason = 500
)

// DeadLetter is a message that could not be delivered.
type DeadLetter struct {
	// ID names the letter: its number and its hook.
	ID string `json:"id"`
	// Message is the identifier that the message was, and will be, sent under.
	Message string `json:"message"`
	Hook    string `json:"hook"`
	// Time is that of the notice, Died when it was given up.
	Time       time.Time     `json:"time"`
	Died       time.Time     `json:"died"`
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
	// Attempts is how many there were; 0 where it was given up without one.
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"`
	// Body is what was sent. Listings leave it out.
	Body json.RawMessage `json:"body,omitempty"`
}

// ErrNoLetter means that there is no dead letter of an identifier.
var ErrNoLetter = errors.New("there is no such dead letter")

// isLetterID tells whether a text is what identifiers of dead letters look like.
func isLetterID(text string) bool {
	matched, err := regexp.MatchString(`^[0-9a-f]{16}\.[a-z0-9-]{1,63}$`, text)
	return err == nil && matched
}

// deadID is the identifier and the key of a letter: they come in the order of notices.
func deadID(number uint64, hook string) string { return fmt.Sprintf("%016x.%s", number, hook) }

func writeDead(ctx context.Context, journal index.Journal, letter DeadLetter) error {
	letter.Reason = cut(letter.Reason, maxReason)
	value, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	return journal.WriteJournal(ctx, index.BookDeadNotices, index.JournalEntry{Key: letter.ID, Value: value})
}

// ReadDead lists dead letters, without their bodies, in the order of their notices: at
// most limit, those behind one; the empty identifier precedes all.
func ReadDead(ctx context.Context, journal index.Journal, after string, limit int) ([]DeadLetter, error) {
	entries, err := journal.ReadJournal(ctx, index.BookDeadNotices, after, limit)
	if err != nil {
		return nil, err
	}
	letters := make([]DeadLetter, len(entries))
	for i, entry := range entries {
		if letters[i], err = readLetter(entry); err != nil {
			return nil, err
		}
		letters[i].Body = nil
	}
	return letters, nil
}

func readLetter(entry index.JournalEntry) (letter DeadLetter, err error) {
	if err := json.Unmarshal(entry.Value, &letter); err != nil {
		return letter, fmt.Errorf("%w: dead letter %s: %w", index.ErrDamaged, entry.Key, err)
	}
	return letter, nil
}

// dead returns a letter with its body, or [ErrNoLetter].
func dead(ctx context.Context, journal index.Journal, id string) (DeadLetter, error) {
	if !isLetterID(id) {
		return DeadLetter{}, ErrNoLetter
	}
	entry, found, err := readEntry(ctx, journal, index.BookDeadNotices, id)
	if err == nil && !found {
		err = ErrNoLetter
	}
	if err != nil {
		return DeadLetter{}, err
	}
	return readLetter(entry)
}

// DropDead drops a dead letter. The error is [ErrNoLetter] where there is none.
func DropDead(ctx context.Context, journal index.Journal, id string) error {
	if _, err := dead(ctx, journal, id); err != nil {
		return err
	}
	return journal.DropJournal(ctx, index.BookDeadNotices, id)
}

// trimDead drops the oldest letters beyond the most that are kept, and counts those that
// stay.
func trimDead(ctx context.Context, journal index.Journal) (left int, err error) {
	for after := ""; ; {
		entries, err := journal.ReadJournal(ctx, index.BookDeadNotices, after, deadRead)
		if err != nil {
			return left, err
		}
		left += len(entries)
		if len(entries) < deadRead {
			break
		}
		after = entries[len(entries)-1].Key
	}
	if left <= maxDead {
		return left, nil
	}
	// Behind all that begins with a digit of a number.
	dropped, err := journal.TrimJournal(ctx, index.BookDeadNotices, "~", left-maxDead)
	return left - dropped, err
}
