package proxy

import (
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
)

// entry is what is known of a request beside the request itself.
type entry struct {
	wrap.Entry

	path path
	// prefix is what clients have before the paths that backref serves.
	prefix string
	// called is how the client names what a route has; nil where as backref does.
	called *called
	// err is why the path can't be read.
	err error
	// client is who signed in, in auth.mode service, and by what judges it; nil in
	// auth.mode passthrough.
	client policy.Client
	by     *entrance
	// operator says that an operator asks, within the process.
	operator bool
	// caller is on whose behalf the request is, once the rules have let it in.
	caller *registry.Caller
}

var _ wrap.Door = (*entry)(nil)

// open returns the entry of a request, whose path it reads.
func (p *Proxy) open(r *http.Request) *wrap.Entry {
	e := &entry{prefix: p.clientPrefix(r), called: calledOf(r)}
	e.Door = e
	e.path, e.err = parsePath(r.URL)
	p.tellForwarded(r)
	return &e.Entry
}

// Endpoint implements [wrap.Door].
func (e *entry) Endpoint() string { return e.path.endpoint.String() }

// Route implements [wrap.Door].
func (e *entry) Route() string { return e.path.endpoint.route() }

// Bounds of what clients choose, in bytes.
const (
	maxLoggedUser = 256
	maxLoggedPath = 1024
)

// Describe implements [wrap.Door]. A client is named once somebody has vouched
// for the name, as signin does. With auth.mode passthrough nobody is named: what
// stands for a user in a header may be made up, and there are registries that
// take a token there.
func (e *entry) Describe(r *http.Request, to zapcore.ObjectEncoder) {
	if !e.client.Anonymous() {
		to.AddString("user", wrap.Printable(e.client.User, maxLoggedUser))
	}
	if e.path.repository != "" {
		to.AddString("repository", e.path.repository)
	}
	if e.path.tag != "" {
		to.AddString("tag", e.path.tag)
	}
	if e.path.digest != "" {
		to.AddString("digest", string(e.path.digest))
	}
	if e.path.endpoint == endpointOther {
		to.AddString("path", wrap.Printable(r.URL.Path, maxLoggedPath))
	}
}

func entryOf(r *http.Request) *entry {
	if e, ok := wrap.EntryOf(r).Door.(*entry); ok {
		return e
	}
	return &entry{}
}

// requestPath returns what the path of the request names.
func requestPath(r *http.Request) (path, error) {
	e := entryOf(r)
	return e.path, e.err
}

// requestID returns the identifier of the request.
func requestID(r *http.Request) string {
	return wrap.EntryOf(r).ID()
}

// note adds fields to the request's line in the log.
func note(r *http.Request, fields ...zap.Field) {
	wrap.EntryOf(r).Note(fields...)
}
