// Package packed has the parts that the values and keys of every store are made
// of: digests in a compact form, and numbers, strings and times. They are part
// of the stored formats.
package packed

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

// The bytes that stand for the algorithms. Their order is that of the names,
// which makes the order of compact digests that of digests.
const (
	// AlgorithmNone stands for no digest, where there may be none.
	AlgorithmNone   = 0
	algorithmSHA256 = 1
	algorithmSHA384 = 2
	algorithmSHA512 = 3
)

// The sizes of the hashes in bytes.
const (
	SizeSHA256 = 32
	sizeSHA384 = 48
	SizeSHA512 = 64
)

// MaxDigestText is the length of the longest digest in the usual form.
const MaxDigestText = len("sha512:") + 2*SizeSHA512

// digestSize returns the number of bytes behind the byte of an algorithm.
func digestSize(algorithm byte) (int, bool) {
	switch algorithm {
	case AlgorithmNone:
		return 0, true
	case algorithmSHA256:
		return SizeSHA256, true
	case algorithmSHA384:
		return sizeSHA384, true
	case algorithmSHA512:
		return SizeSHA512, true
	default:
		return 0, false
	}
}

// AppendDigest appends the compact form of a digest: the byte of its algorithm
// and the hash. Error: [index.ErrInvalid]. It is written by hand because
// Validate of the digest package runs a regular expression, and this is done
// for every query.
func AppendDigest(b []byte, d digest.Digest) ([]byte, error) {
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

// CutDigest splits the compact form of a digest off the front of b. A none
// digest is not accepted: keys have none. Error: [index.ErrDamaged].
func CutDigest(b []byte) (compact, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, fmt.Errorf("%w: key ends before a digest", index.ErrDamaged)
	}
	size, known := digestSize(b[0])
	if !known || size == 0 || len(b) < 1+size {
		return nil, nil, fmt.Errorf("%w: key holds no digest", index.ErrDamaged)
	}
	return b[:1+size], b[1+size:], nil
}

// AppendDigestText appends the usual form of a compact digest.
func AppendDigestText(b, compact []byte) []byte {
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

// DigestTextSize is the length of that form. All algorithms have names of the
// same length.
func DigestTextSize(compact []byte) int {
	return len("sha256:") + hex.EncodedLen(len(compact)-1)
}

// ExpandDigest turns a compact digest into the usual form.
func ExpandDigest(compact []byte) digest.Digest {
	var text [MaxDigestText]byte
	return digest.Digest(AppendDigestText(text[:0], compact))
}

// TagPrefix returns what the compact form of a digest begins with whose
// [oci.ReferrersTag] is given. Error: [index.ErrInvalid].
func TagPrefix(tag string) ([]byte, error) {
	name, encoded, _ := strings.Cut(tag, "-")
	algorithm, known := map[digest.Algorithm]byte{
		digest.SHA256: algorithmSHA256, digest.SHA384: algorithmSHA384, digest.SHA512: algorithmSHA512,
	}[digest.Algorithm(name)]
	if !known || !oci.IsReferrersTag(tag) {
		return nil, fmt.Errorf("%w: referrers tag %.200q", index.ErrInvalid, tag)
	}
	return hex.AppendDecode([]byte{algorithm}, []byte(encoded))
}
