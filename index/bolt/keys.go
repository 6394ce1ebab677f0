package bolt

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// maxName bounds repositories and tags, so that no key can grow past what
// bbolt takes. The specification allows 255 bytes and 128 bytes.
const maxName = 1024

// The bytes that stand for the algorithms in keys and values. Their order is
// that of the names, which makes the order of keys that of digests. They are
// part of the stored format.
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
// and the hash. It is written by hand because Validate of the digest package
// runs a regular expression, and this is done for every query.
func appendDigest(b []byte, d digest.Digest) ([]byte, error) {
	name, encoded, _ := strings.Cut(string(d), ":")
	var algorithm byte
	switch name {
	case string(digest.SHA256):
		algorithm = algorithmSHA256
	case string(digest.SHA384):
		algorithm = algorithmSHA384
	case string(digest.SHA512):
		algorithm = algorithmSHA512
	default:
		return nil, fmt.Errorf("%w: digest %q", index.ErrInvalid, d)
	}
	size, _ := digestSize(algorithm)
	// Upper case would be a second spelling of the same key.
	if len(encoded) != 2*size || strings.ContainsAny(encoded, "ABCDEF") {
		return nil, fmt.Errorf("%w: digest %q", index.ErrInvalid, d)
	}
	b, err := hex.AppendDecode(append(b, algorithm), []byte(encoded))
	if err != nil {
		return nil, fmt.Errorf("%w: digest %q", index.ErrInvalid, d)
	}
	return b, nil
}

// cutDigest splits the compact form of a digest off the front of b. A none
// digest is not accepted: keys have none.
func cutDigest(b []byte) (compact, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, fmt.Errorf("%w: key ends before a digest", index.ErrDamaged)
	}
	size, known := digestSize(b[0])
	if !known || size == 0 || len(b) < 1+size {
		return nil, nil, fmt.Errorf("%w: key holds no digest", index.ErrDamaged)
	}
	return b[:1+size], b[1+size:], nil
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

// digestTextSize is the length of that form. All algorithms have names of the
// same length.
func digestTextSize(compact []byte) int {
	return len("sha256:") + hex.EncodedLen(len(compact)-1)
}

// expandDigest turns a compact digest into the usual form.
func expandDigest(compact []byte) digest.Digest {
	return digest.Digest(appendDigestText(make([]byte, 0, digestTextSize(compact)), compact))
}

// repositoryKey begins a key that belongs to a repository and is followed by
// digests. Nothing that sorts inside the prefix belongs to another repository,
// because a repository has no zero byte.
func repositoryKey(repository string, digests ...digest.Digest) ([]byte, error) {
	if err := checkName("repository", repository); err != nil {
		return nil, err
	}
	const room = 8 + 2 // of an identifier, kinds
	key := make([]byte, 0, len(repository)+1+len(digests)*(1+sizeSHA512)+room)
	key = append(key, repository...)
	key = append(key, 0)
	for _, d := range digests {
		var err error
		if key, err = appendDigest(key, d); err != nil {
			return nil, err
		}
	}
	return key, nil
}

// checkName refuses what can't be part of a key.
func checkName(what, name string) error {
	if name == "" || len(name) > maxName || strings.IndexByte(name, 0) >= 0 {
		return fmt.Errorf("%w: %s %.100q", index.ErrInvalid, what, name)
	}
	return nil
}
