package postgres

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
)

// maxName bounds repositories and tags, so that every key fits into an index of
// PostgreSQL. The specification allows 255 bytes and 128 bytes.
const maxName = 1024

// compactDigest returns the compact form of a digest.
func compactDigest(d digest.Digest) ([]byte, error) {
	return packed.AppendDigest(make([]byte, 0, 1+packed.SizeSHA512), d)
}

// expandDigest turns a compact digest of a table into the usual form.
func expandDigest(compact []byte) (digest.Digest, error) {
	whole, rest, err := packed.CutDigest(compact)
	if err != nil || len(rest) > 0 {
		return "", fmt.Errorf("%w: a digest of %d bytes", index.ErrDamaged, len(compact))
	}
	return packed.ExpandDigest(whole), nil
}

// checkName refuses what can't be a name in the tables.
func checkName(what, name string) error {
	if name == "" || len(name) > maxName || strings.IndexByte(name, 0) >= 0 || !utf8.ValidString(name) {
		return fmt.Errorf("%w: %s %.100q", index.ErrInvalid, what, name)
	}
	return nil
}

// matterKey names what intents are about: a manifest of a repository, by its
// compact digest, or a referrers tag, by [aboutTag].
type matterKey struct {
	repository, about string
}

// manifestKey returns the key of a manifest, and refuses what is none.
func manifestKey(repository string, manifest digest.Digest) (matterKey, error) {
	if err := checkName("repository", repository); err != nil {
		return matterKey{}, err
	}
	compact, err := compactDigest(manifest)
	return matterKey{repository, string(compact)}, err
}

// aboutTag is what an import is about. No digest begins like it.
func aboutTag(tag string) string {
	return string(rune(packed.AlgorithmNone)) + tag
}

// intentKey returns the key of what an intent is about.
func intentKey(intent index.Intent) (matterKey, error) {
	repository := intent.Record.Repository
	if intent.Kind != index.IntentImport {
		return manifestKey(repository, intent.Record.Digest)
	}
	if err := checkName("repository", repository); err != nil {
		return matterKey{}, err
	}
	return matterKey{repository, aboutTag(intent.Tag)}, checkName("tag", intent.Tag)
}
