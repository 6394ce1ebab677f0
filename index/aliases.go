package index

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Aliases keep by which digest a registry has a blob that was pushed by a digest of
// another algorithm, in a [Journal]. Of its errors and concurrency what the journal
// says of its own holds.
type Aliases struct {
	Journal Journal
}

// lastCharacter is how many digests there are that differ in their last character
// alone.
const lastCharacter = 16

// Alias returns the digest by which the registry has what is named in a repository;
// empty where none is known.
func (a Aliases) Alias(ctx context.Context, repository string, named digest.Digest) (digest.Digest, error) {
	key := aliasKey(repository, named)
	// The journal is read from behind a key, which need not be there.
	entries, err := a.Journal.ReadJournal(ctx, BookAliases, key[:len(key)-1], lastCharacter)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		if entry.Key != key {
			continue
		}
		kept := digest.Digest(entry.Value)
		if err := kept.Validate(); err != nil {
			return "", fmt.Errorf("%w: alias of %s in %s: %w", ErrDamaged, named, repository, err)
		}
		return kept, nil
	}
	return "", nil
}

// SetAlias keeps by which digest the registry has what is named in a repository. It
// is durable when it returns.
func (a Aliases) SetAlias(ctx context.Context, repository string, named, kept digest.Digest) error {
	return a.Journal.WriteJournal(ctx, BookAliases, JournalEntry{Key: aliasKey(repository, named), Value: []byte(kept)})
}

// aliasKey has the repository first, and no byte that a repository or a digest has
// between the two.
func aliasKey(repository string, named digest.Digest) string {
	return strings.Join([]string{repository, named.String()}, "\n")
}
