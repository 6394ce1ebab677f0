package index

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
)

// GoneKey is the key of what [BookGone] has of a manifest.
func GoneKey(repository string, manifest digest.Digest) string {
	return repository + "@" + manifest.String()
}

// GoneEntry notes since when a manifest is known to be gone from the upstream.
func GoneEntry(repository string, manifest digest.Digest, since time.Time) JournalEntry {
	return JournalEntry{Key: GoneKey(repository, manifest), Value: []byte(since.UTC().Format(time.RFC3339Nano))}
}

// GoneSince reads a [GoneEntry]. What is none is [ErrDamaged].
func GoneSince(entry JournalEntry) (time.Time, error) {
	since, err := time.Parse(time.RFC3339Nano, string(entry.Value))
	if err != nil {
		return since, fmt.Errorf("%w: since when %s is gone: %w", ErrDamaged, entry.Key, err)
	}
	return since, nil
}
