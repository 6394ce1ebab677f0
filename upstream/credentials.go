package upstream

import (
	"encoding/binary"
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

// AppendTo appends the credentials in a form in which different ones differ,
// whatever follows. It is for a keyed hash, from which they can't be recovered
// without the key, and not to be kept.
func (c Credentials) AppendTo(b []byte) []byte {
	for _, list := range [...][]string{c.authorization, c.cookies} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, value := range list {
			b = binary.AppendUvarint(b, uint64(len(value)))
			b = append(b, value...)
		}
	}
	return b
}

// String hides the credentials.
func (c Credentials) String() string {
	return "[hidden]"
}

// GoString hides the credentials.
func (c Credentials) GoString() string {
	return c.String()
}
