package bolt

import (
	"bytes"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestKeyOrder checks that keys come in the order of repositories and digests,
// which the pages of a listing rely on.
func TestKeyOrder(t *testing.T) {
	var digests []digest.Digest
	for _, what := range []string{"a", "b", "c", "d"} {
		for _, algorithm := range []digest.Algorithm{digest.SHA512, digest.SHA256, digest.SHA384} {
			digests = append(digests, algorithm.FromString(what))
		}
	}
	slices.Sort(digests)
	var before []byte
	for _, repository := range []string{"a", "a-b", "a/b", "a0", "aa", "b"} {
		for _, subject := range digests {
			for _, d := range digests {
				key, err := repositoryKey(repository, subject, d)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Compare(before, key) >= 0 {
					t.Fatalf("the key of %s %s %s is not behind the one before", repository, subject, d)
				}
				before = key
			}
		}
	}
}
