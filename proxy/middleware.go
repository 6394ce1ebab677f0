package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

// entry is what is known of a request beside the request itself. It is the
// request's context too.
type entry struct {
	context.Context //nolint:containedctx // It is one, of that context's values.

	id   string
	path path
	// prefix is what clients have before the paths that backref serves.
	prefix string
	// answer is what the client is written to by.
	answer http.ResponseWriter
	// err is why the path can't be read.
	err error
	// client is who signed in, in auth.mode service.
	client policy.Client
	// caller is on whose behalf the request is, once the rules have let it in.
	caller *registry.Caller
	// fields are added to the request's line in the log.
	fields []zap.Field
}

var _ registry.Request = (*entry)(nil)

// ID implements [registry.Request].
func (e *entry) ID() string { return e.id }

// Note implements [registry.Request].
func (e *entry) Note(fields ...zap.Field) { e.fields = append(e.fields, fields...) }

// Value implements [context.Context].
func (e *entry) Value(key any) any {
	if key == any(registry.RequestKey{}) {
		return e
	}
	return e.Context.Value(key)
}

func entryOf(r *http.Request) *entry {
	if e, ok := r.Context().Value(registry.RequestKey{}).(*entry); ok {
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
	return entryOf(r).id
}

// note adds fields to the request's line in the log.
func note(r *http.Request, fields ...zap.Field) {
	entryOf(r).Note(fields...)
}

// identify parses the path and gives the request its identifier: that of a
// trusted proxy before us, else one of our own.
func (p *Proxy) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &entry{Context: r.Context(), prefix: p.clientPrefix(r)}
		e.path, e.err = parsePath(r.URL)
		if given := r.Header.Get("X-Request-Id"); validRequestID(given) && p.trusted(peerAddress(r)) {
			e.id = given
		} else {
			e.id = rand.Text()
		}
		w.Header().Set("X-Request-Id", e.id)
		p.tellForwarded(r)
		next.ServeHTTP(w, r.WithContext(e))
	})
}

const maxRequestID = 128

func validRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && strings.IndexFunc(id, func(c rune) bool {
		return c <= ' ' || c > '~' || c == '"' || c == '\\'
	}) < 0
}

// observe logs and counts every request once, when it is over.
func (p *Proxy) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := p.now()
		e := entryOf(r)
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		p.metrics.inFlight.Inc()
		defer func() {
			p.metrics.inFlight.Dec()
			took := p.now().Sub(start)
			p.metrics.request(e.path.endpoint, r.Method, wrapped.Status(), took)
			p.logRequest(r, e, wrapped, took)
		}()
		next.ServeHTTP(wrapped, r)
	})
}

func (p *Proxy) logRequest(r *http.Request, e *entry, w middleware.WrapResponseWriter, took time.Duration) {
	level := zap.InfoLevel
	if w.Status() >= http.StatusInternalServerError {
		level = zap.ErrorLevel
	}
	line := p.log.Check(level, "request")
	if line == nil {
		return
	}
	fields := []zap.Field{
		zap.String("request", e.id),
		zap.String("method", r.Method),
		zap.Stringer("endpoint", e.path.endpoint),
		zap.Int("status", w.Status()),
		zap.Int("bytes", w.BytesWritten()),
		zap.Duration("took", took),
		zap.String("peer", r.RemoteAddr),
	}
	if e.path.repository != "" {
		fields = append(fields, zap.String("repository", e.path.repository))
	}
	if e.path.tag != "" {
		fields = append(fields, zap.String("tag", e.path.tag))
	}
	if e.path.digest != "" {
		fields = append(fields, zap.String("digest", e.path.digest.String()))
	}
	if e.path.endpoint == endpointOther {
		fields = append(fields, zap.String("path", r.URL.Path))
	}
	line.Write(append(fields, e.fields...)...)
}

// recovery turns a panic into an error for this client alone. Aborting a
// response is the server's own way to break off, and passes.
func (p *Proxy) recovery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			note(r, zap.String("stack", string(debug.Stack())))
			if wrapped, ok := w.(middleware.WrapResponseWriter); ok && wrapped.Status() != 0 {
				note(r, zap.String("panic", fmt.Sprint(cause)))
				panic(http.ErrAbortHandler)
			}
			p.fail(w, r, &oci.Error{
				Status: http.StatusInternalServerError, Code: oci.CodeUnknown,
				Message: "this proxy failed; report it to its operator with the X-Request-Id",
				Cause:   fmt.Errorf("panic: %v", cause),
			})
		}()
		next.ServeHTTP(w, r)
	})
}
