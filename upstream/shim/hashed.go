package shim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
)

// paramHashes is the parameter of the URL of an upload that says how far its hashes
// are.
const paramHashes = "_backref"

// errForeignState says that the state of an upload is not one that backref made.
var errForeignState = errors.New("the state of the upload was not made here")

// hashed are the hashes of what of an upload has passed so far.
type hashed struct {
	sha256, sha512 hash.Hash
	length         int64
}

func newHashed() *hashed {
	return &hashed{sha256: sha256.New(), sha512: sha512.New()}
}

func (h *hashed) write(b []byte) {
	_, _ = h.sha256.Write(b)
	_, _ = h.sha512.Write(b)
	h.length += int64(len(b))
}

// offset is how many bytes were hashed.
func (h *hashed) offset() int64 { return h.length }

// digest returns the digest of all that was hashed; false for another algorithm.
func (h *hashed) digest(algorithm digest.Algorithm) (digest.Digest, bool) {
	switch algorithm {
	case digest.SHA256:
		return digest.NewDigest(algorithm, h.sha256), true
	case digest.SHA512:
		return digest.NewDigest(algorithm, h.sha512), true
	default:
		return "", false
	}
}

// MarshalBinary implements [encoding.BinaryMarshaler].
func (h *hashed) MarshalBinary() ([]byte, error) {
	state := binary.BigEndian.AppendUint64(nil, uint64(h.length)) //nolint:gosec // It is no negative number.
	for _, sum := range []hash.Hash{h.sha256, h.sha512} {
		one, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return nil, err
		}
		state = append(state, byte(len(one))) //nolint:gosec // Neither state has 256 bytes.
		state = append(state, one...)
	}
	return state, nil
}

// UnmarshalBinary implements [encoding.BinaryUnmarshaler].
func (h *hashed) UnmarshalBinary(state []byte) error {
	*h = *newHashed()
	if len(state) < 8 {
		return errForeignState
	}
	h.length = int64(binary.BigEndian.Uint64(state)) //nolint:gosec // It was one.
	state = state[8:]
	for _, sum := range []hash.Hash{h.sha256, h.sha512} {
		if len(state) == 0 || len(state) < 1+int(state[0]) {
			return errForeignState
		}
		size := 1 + int(state[0])
		if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state[1:size]); err != nil {
			return fmt.Errorf("%w: %w", errForeignState, err)
		}
		state = state[size:]
	}
	return nil
}

// mark has the Location of an answer say how far the hashes of an upload are.
func (h hashes) mark(ctx context.Context, resp *http.Response, sums *hashed) error {
	location := resp.Header.Get("Location")
	if location == "" {
		return nil
	}
	secrets, err := h.secrets.Secrets(ctx)
	if err != nil {
		return err
	}
	state, err := sums.MarshalBinary()
	if err != nil {
		return err
	}
	next, err := url.Parse(location)
	if err != nil {
		return nil //nolint:nilerr // It is the registry's, and the client's to make sense of.
	}
	state = append(code(secrets[0], next, state), state...)
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	resp.Header.Set("Location", location+separator+paramHashes+"="+base64.RawURLEncoding.EncodeToString(state))
	return nil
}

// unmark takes the state of the hashes out of the URL of an upload.
func (h hashes) unmark(ctx context.Context, upload *url.URL) (*hashed, error) {
	encoded := without(upload, paramHashes)
	state, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(state) < sha256.Size {
		return nil, errForeignState
	}
	secrets, err := h.secrets.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	given, state := state[:sha256.Size], state[sha256.Size:]
	bare := *upload
	without(&bare, "digest")
	for _, secret := range secrets {
		if hmac.Equal(given, code(secret, &bare, state)) {
			sums := &hashed{}
			return sums, sums.UnmarshalBinary(state)
		}
	}
	return nil, errForeignState
}

// code is by what backref knows a state of an upload again as its own: path and query
// are those that the registry gave to the upload, whatever order and escapes a client
// gives to the query.
func code(secret []byte, upload *url.URL, state []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	// The client, and who is in front of it, may reach the registry by other names.
	for _, part := range []string{lastOf(upload.Path), upload.Query().Encode()} {
		_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = mac.Write([]byte(part))
	}
	_, _ = mac.Write(state)
	return mac.Sum(nil)
}

// lastOf returns the last segment of a path: what comes before it may be another path
// to the client than to the registry.
func lastOf(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}

// without takes a parameter out of the query of a URL, of which the rest stays as it is
// written, and returns its value.
func without(u *url.URL, name string) string {
	var value string
	var rest []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		key, escaped, _ := strings.Cut(pair, "=")
		if key != name {
			rest = append(rest, pair)
			continue
		}
		if unescaped, err := url.QueryUnescape(escaped); err == nil {
			value = unescaped
		}
	}
	u.RawQuery = strings.Join(rest, "&")
	return value
}
