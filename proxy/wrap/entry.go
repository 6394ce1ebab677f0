package wrap

import (
	"context"
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/registry"
)

// Entry is what is known of a request beside the request itself. It is the
// request's context too, so that one allocation holds both. It belongs to the
// goroutine of the request.
type Entry struct {
	context.Context //nolint:containedctx // It is one, of that context's values.

	// Door is set by who opens the entry (see [IdentifyOptions]).
	Door Door

	id string
	// request is the one that the entry is of, and proxies are those whose word
	// counts for where it comes from.
	request *http.Request
	proxies Proxies
	// denied says that the request has been denied something.
	denied bool
	// answer is what the client is written to by.
	answer http.ResponseWriter
	// fields are added to the request's line in the log.
	fields []zap.Field
	// received is how much of the request's body was read, once it is over.
	received int64
	// trace is the trace of the request, if that is kept; else empty.
	trace string
	// upstream measures for how long the registry is waited for.
	upstream stopwatch
	// line is written in the end. It is here so that it needs no room of its own.
	line line
}

// Door is what the door of the server knows of a request.
type Door interface {
	// Endpoint is the name of the family of paths that the request's is of. It
	// is a label of metrics, so there are few.
	Endpoint() string
	// Route is the form of the paths of that family, such as /v2/{name}/tags/list;
	// empty where there is none, and with [Secret] where a part of it is one.
	Route() string
	// User returns the name of who the request is of, empty where that can't be
	// told, and whether nobody here has vouched for it.
	User(r *http.Request) (name string, claimed bool)
	// Describe adds what the path of the request names, and who asks, to a line in
	// the log.
	Describe(r *http.Request, to zapcore.ObjectEncoder)
}

// Fail answers a request with an error, of which nothing was written yet.
type Fail func(w http.ResponseWriter, r *http.Request, err error)

var _ registry.Request = (*Entry)(nil)

// ID implements [registry.Request].
func (e *Entry) ID() string { return e.id }

// Answer returns the writer of the request's answer, by which informational
// responses go to the client; nil where [Pace] has not wrapped the handler.
func (e *Entry) Answer() http.ResponseWriter { return e.answer }

// Note implements [registry.Request].
func (e *Entry) Note(fields ...zap.Field) { e.fields = append(e.fields, fields...) }

// DenyOnce notes that the request was denied something, and tells whether that is
// the first time.
func (e *Entry) DenyOnce() bool {
	first := !e.denied
	e.denied = true
	return first
}

// Asker returns who the request is of: see [registry.AskerOf].
func (e *Entry) Asker() registry.Asker {
	if e.request == nil || e.Door == nil {
		return registry.Asker{}
	}
	asker := registry.Asker{Client: clientOf(e.request, e.proxies), Listener: ListenerOf(e)}
	asker.User, asker.Claimed = e.Door.User(e.request)
	if agent := e.request.Header["User-Agent"]; len(agent) > 0 {
		asker.UserAgent = Printable(agent[0], maxUserAgent)
	}
	return asker
}

// Value implements [context.Context].
func (e *Entry) Value(key any) any {
	if key == any(registry.RequestKey{}) {
		return e
	}
	return e.Context.Value(key)
}

// EntryOf returns the entry of a request; an empty one where [Identify] has not
// wrapped the handler.
func EntryOf(r *http.Request) *Entry {
	if e, ok := r.Context().Value(registry.RequestKey{}).(*Entry); ok {
		return e
	}
	return &Entry{}
}
