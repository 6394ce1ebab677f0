package index

import (
	"context"
	"crypto/rand"
	"encoding/hex"
)

// Secrets are what all who share a store know, and nobody else: by them they know
// again what one of them gave to a client to bring along. They open nothing. Of errors
// and concurrency what the journal says of its own holds.
type Secrets struct {
	Journal Journal
}

// Sizes of secrets, and how many there are at most: as many as made the first one at
// once.
const (
	secretSize = 32 // bytes
	mostOfThem = 16
)

// Secrets returns the secrets, at least one; where there is none yet it makes one.
func (s Secrets) Secrets(ctx context.Context) ([][]byte, error) {
	known, err := s.read(ctx)
	if err != nil || len(known) > 0 {
		return known, err
	}
	name, secret := make([]byte, secretSize), make([]byte, secretSize)
	// A read of package crypto/rand does not fail.
	_, _ = rand.Read(name)
	_, _ = rand.Read(secret)
	if err := s.Journal.WriteJournal(ctx, BookSecrets, JournalEntry{Key: hex.EncodeToString(name), Value: secret}); err != nil {
		return nil, err
	}
	return s.read(ctx)
}

func (s Secrets) read(ctx context.Context) ([][]byte, error) {
	entries, err := s.Journal.ReadJournal(ctx, BookSecrets, "", mostOfThem)
	secrets := make([][]byte, len(entries))
	for i, entry := range entries {
		secrets[i] = entry.Value
	}
	return secrets, err
}
