package upstream

import (
	"encoding/binary"
	"net/http"
	"net/url"
)

// Credentials are what a client proves itself with to the registry, and what
// else the registry may judge its requests by: where it comes from, by which
// program it asks, and by which name of a registry. The zero value is backref
// itself, without credentials. They are held in memory for the time of a
// request and never printed.
type Credentials struct {
	// header is that of the client's request, or nil.
	header http.Header
	origin Origin
	// namespace is the name by which the client calls the registry.
	namespace string
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

// AreOfService tells whether these are the service's own credentials.
func (c Credentials) AreOfService() bool { return c.service }

// About returns the repository that [Credentials.For] was given.
func (c Credentials) About() string { return c.repository }

// WithoutCookies returns the same credentials for a registry whose cookies a client
// can't tell from those of another, since all are backref's to it.
func (c Credentials) WithoutCookies() Credentials {
	if len(c.header["Cookie"]) > 0 {
		c.header = c.header.Clone()
		delete(c.header, "Cookie")
	}
	return c
}

// CredentialsOf returns the credentials that a client's request carries.
func CredentialsOf(header http.Header) Credentials {
	return Credentials{header: header}
}

// Behind returns the credentials by which a request is sent with the given ones: its
// own, where those are the zero value. Further questions are asked with them in the
// name of whoever sent the request.
func (c Credentials) Behind(req *http.Request) Credentials {
	if c.service || c.header != nil {
		return c
	}
	c.header = req.Header
	c.origin = originOf(req.Header)
	c.namespace = req.URL.Query().Get(ParamNamespace)
	return c
}

// On returns the same credentials for questions that backref asks on behalf of
// a client: the registry is told of its address, and of its program, as the
// header of its request says.
func (c Credentials) On(behalf Origin, header http.Header) Credentials {
	c.origin, c.header = behalf, header
	return c
}

// Within returns the same credentials for questions that name the registry, as
// containerd does where it takes backref for a mirror: by the parameter ns. An
// empty name gives no such parameter.
func (c Credentials) Within(namespace string) Credentials {
	c.namespace = namespace
	return c
}

// apply puts the credentials on a request to the registry.
func (c Credentials) apply(header http.Header) {
	if c.service {
		return
	}
	for _, name := range [...]string{"Authorization", "Cookie"} {
		if values := c.header[name]; len(values) > 0 {
			header[name] = values
		}
	}
}

// describe says in a question of backref's own on whose behalf it is asked, as
// the client's own request would.
func (c Credentials) describe(req *http.Request) {
	switch agent := c.header["User-Agent"]; {
	case c.header == nil:
		req.Header.Set("User-Agent", "backref")
	case len(agent) > 0:
		req.Header["User-Agent"] = agent
	default:
		// Keeps the transport from adding its own.
		req.Header["User-Agent"] = []string{""}
	}
	if chain := c.origin.ForwardedFor(); chain != "" {
		req.Header.Set("X-Forwarded-For", chain)
	}
	if c.namespace != "" && !req.URL.Query().Has(ParamNamespace) {
		if req.URL.RawQuery != "" {
			req.URL.RawQuery += "&"
		}
		req.URL.RawQuery += ParamNamespace + "=" + url.QueryEscape(c.namespace)
	}
}

// ParamNamespace is the parameter by which a client of a mirror names the
// registry that it means.
const ParamNamespace = "ns"

// AppendTo appends all that the registry may judge by in a form in which
// different ones differ, whatever follows. It is for a keyed hash, from which
// they can't be recovered without the key, and not to be kept.
func (c Credentials) AppendTo(b []byte) []byte {
	for _, name := range [...]string{"Authorization", "Cookie", "User-Agent"} {
		b = appendTexts(b, c.header[name])
	}
	b = c.origin.appendTo(b)
	b = binary.AppendUvarint(b, uint64(len(c.namespace)))
	return append(b, c.namespace...)
}

// String hides the credentials.
func (c Credentials) String() string {
	return "[hidden]"
}

// GoString hides the credentials.
func (c Credentials) GoString() string {
	return c.String()
}
