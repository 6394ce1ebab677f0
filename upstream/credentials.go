package upstream

import (
	"encoding/binary"
	"hash"
	"io"
	"net/http"
)

// Credentials are what a client proves itself with to the registry. The zero
// value is an anonymous client. They are held in memory for the time of a
// request and never printed.
type Credentials struct {
	authorization []string
	cookies       []string
	// service stands for the service's own credentials.
	service bool
	// repository is what the service's token has to be for, where the path
	// of a request doesn't tell.
	repository string
}

// For returns the same credentials for requests about a repository.
func (c Credentials) For(repository string) Credentials {
	c.repository = repository
	return c
}

// CredentialsOf returns the credentials that a client's request carries.
func CredentialsOf(header http.Header) Credentials {
	return Credentials{authorization: header["Authorization"], cookies: header["Cookie"]}
}

// apply puts the credentials on a request to the registry.
func (c Credentials) apply(header http.Header) {
	if len(c.authorization) > 0 {
		header["Authorization"] = c.authorization
	}
	if len(c.cookies) > 0 {
		header["Cookie"] = c.cookies
	}
}

// HashTo writes the credentials to a keyed hash, so that different ones differ
// there. They can't be recovered from a hash whose key is not known.
func (c Credentials) HashTo(h hash.Hash) {
	for _, list := range [...][]string{c.authorization, c.cookies} {
		hashLength(h, len(list))
		for _, value := range list {
			hashLength(h, len(value))
			_, _ = io.WriteString(h, value)
		}
	}
}

// hashLength keeps what follows apart from what follows that.
func hashLength(h hash.Hash, length int) {
	var encoded [binary.MaxVarintLen64]byte
	_, _ = h.Write(binary.AppendUvarint(encoded[:0], uint64(length))) //nolint:gosec // Lengths are not negative.
}

// String hides the credentials.
func (c Credentials) String() string {
	return "[hidden]"
}

// GoString hides the credentials.
func (c Credentials) GoString() string {
	return c.String()
}
