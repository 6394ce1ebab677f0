package index

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// SessionKeys are the keys by which sessions of the web page are sealed. All who share
// a store have the same, a restart keeps them, and new ones take the place of old ones.
// Unlike [Secrets] they open something: who has them can say to be anybody to the page.
// Of errors and concurrency what the journal says of its own holds.
type SessionKeys struct {
	Journal Journal
	// Every is how old the newest key is when another one is made, and Keep how old a
	// key may become: Every and as long as anything counts that was sealed by it.
	Every, Keep time.Duration
}

// Bounds of keys: the size of one, and how many are read at most. Each who shares a
// store may make one at the same time.
const (
	sessionKeySize  = 32 // bytes
	mostSessionKeys = 1024
)

// Keys returns the keys at a time, the oldest first, at least one; the last is the one
// to seal by. Where that is too old it makes another, and drops those that are too old
// to be kept.
func (k SessionKeys) Keys(ctx context.Context, now time.Time) ([][]byte, error) {
	entries, err := k.Journal.ReadJournal(ctx, BookSessions, "", mostSessionKeys)
	if err != nil {
		return nil, err
	}
	if n := len(entries); n == 0 || entries[n-1].Key < sessionKeyName(now.Add(-k.Every)) {
		name, key := make([]byte, 8), make([]byte, sessionKeySize)
		// A read of package crypto/rand does not fail.
		_, _ = rand.Read(name)
		_, _ = rand.Read(key)
		made := JournalEntry{Key: sessionKeyName(now) + hex.EncodeToString(name), Value: key}
		if err := k.Journal.WriteJournal(ctx, BookSessions, made); err != nil {
			return nil, err
		}
		if _, err := k.Journal.TrimJournal(ctx, BookSessions, sessionKeyName(now.Add(-k.Keep)), mostSessionKeys); err != nil {
			return nil, err
		}
		if entries, err = k.Journal.ReadJournal(ctx, BookSessions, "", mostSessionKeys); err != nil {
			return nil, err
		}
	}
	var keys [][]byte
	oldest := sessionKeyName(now.Add(-k.Keep))
	for _, entry := range entries {
		if strings.Compare(entry.Key, oldest) >= 0 && len(entry.Value) == sessionKeySize {
			keys = append(keys, entry.Value)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key of sessions can be used", ErrDamaged)
	}
	return keys, nil
}

// sessionKeyName is what the names of keys begin with that were made at a time: they
// are in its order.
func sessionKeyName(made time.Time) string { return fmt.Sprintf("%016x-", max(0, made.Unix())) }
