package postgres

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// maxName bounds repositories and tags, so that every key fits into an index of
// PostgreSQL. The specification allows 255 bytes and 128 bytes.
const maxName = 1024

// The bytes that stand for the algorithms in digests. Their order is that of
// the names, which makes the order of bytes that of digests. They are part of
// the stored format.
const (
	algorithmNone   = 0
	algorithmSHA256 = 1
	algorithmSHA384 = 2
	algorithmSHA512 = 3
)

// The sizes of the hashes in bytes.
const (
	sizeSHA256 = 32
	sizeSHA384 = 48
	sizeSHA512 = 64
)

// digestSize returns the number of bytes behind the byte of an algorithm.
func digestSize(algorithm byte) (int, bool) {
	switch algorithm {
	case algorithmNone:
		return 0, true
	case algorithmSHA256:
		return sizeSHA256, true
	case algorithmSHA384:
		return sizeSHA384, true
	case algorithmSHA512:
		return sizeSHA512, true
	default:
		return 0, false
	}
}

// appendDigest appends the compact form of a digest: the byte of its algorithm
// and the hash.
func appendDigest(b []byte, d digest.Digest) ([]byte, error) {
	name, encoded, _ := strings.Cut(string(d), ":")
	var algorithm byte
	switch digest.Algorithm(name) {
	case digest.SHA256:
		algorithm = algorithmSHA256
	case digest.SHA384:
		algorithm = algorithmSHA384
	case digest.SHA512:
		algorithm = algorithmSHA512
	default:
		return nil, fmt.Errorf("%w: digest %.200q", index.ErrInvalid, d)
	}
	size, _ := digestSize(algorithm)
	// Upper case would be a second spelling of the same key.
	if len(encoded) != 2*size || strings.ContainsAny(encoded, "ABCDEF") {
		return nil, fmt.Errorf("%w: digest %.200q", index.ErrInvalid, d)
	}
	b, err := hex.AppendDecode(append(b, algorithm), []byte(encoded))
	if err != nil {
		return nil, fmt.Errorf("%w: digest %.200q", index.ErrInvalid, d)
	}
	return b, nil
}

// compactDigest returns the compact form of a digest.
func compactDigest(d digest.Digest) ([]byte, error) {
	return appendDigest(make([]byte, 0, 1+sizeSHA512), d)
}

// appendDigestText appends the usual form of a compact digest.
func appendDigestText(b, compact []byte) []byte {
	switch compact[0] {
	case algorithmSHA256:
		b = append(b, "sha256:"...)
	case algorithmSHA384:
		b = append(b, "sha384:"...)
	case algorithmSHA512:
		b = append(b, "sha512:"...)
	}
	return hex.AppendEncode(b, compact[1:])
}

// expandDigest turns a compact digest of a table into the usual form.
func expandDigest(compact []byte) (digest.Digest, error) {
	if len(compact) == 0 {
		return "", fmt.Errorf("%w: an empty digest", index.ErrDamaged)
	}
	if size, known := digestSize(compact[0]); !known || size == 0 || len(compact) != 1+size {
		return "", fmt.Errorf("%w: a digest of %d bytes", index.ErrDamaged, len(compact))
	}
	var text [len("sha512:") + 2*sizeSHA512]byte
	return digest.Digest(appendDigestText(text[:0], compact)), nil
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
	return string(rune(algorithmNone)) + tag
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
