package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/go-chi/chi/v5"
	"oras.land/oras-go/v2/registry"
)

// errBroken says that the door broke an answer off.
var errBroken = errors.New("the answer was broken off")

// inProcess sends requests to a handler of this process, as those of a viewer who is
// somewhere else: each is the viewer's own request but for what it asks. Requests to
// other hosts, where the door sends clients to, go by another way.
type inProcess struct {
	door      http.Handler
	host      string
	elsewhere http.RoundTripper
	// viewer made the request that a page is made for.
	viewer *http.Request
	as     func(context.Context) context.Context
}

// InProcess returns what sends requests to a handler of this process for who needs no
// page: those to a host, in the context that as makes. Others go by elsewhere.
func InProcess(door http.Handler, host string, elsewhere http.RoundTripper, as func(context.Context) context.Context) http.RoundTripper {
	return inProcess{door: door, host: host, elsewhere: elsewhere, viewer: &http.Request{Header: http.Header{}, RemoteAddr: "127.0.0.1:0"}, as: as}
}

// hostOf returns the host that requests to the registry of a place name: package client
// asks for some by another name than people call them.
func hostOf(at Place) string { return (registry.Reference{Registry: at.Host}).Host() }

// RoundTrip implements [http.RoundTripper]. The answer comes with its header; its
// body as the handler writes it.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != t.host {
		return t.elsewhere.RoundTrip(req)
	}
	ctx, cancel := context.WithCancel(req.Context())
	if t.as != nil {
		ctx = t.as(ctx)
	}
	asked := t.request(ctx, req)
	reading, writing := io.Pipe()
	w := &answerWriter{header: http.Header{}, body: writing, begun: make(chan struct{})}
	go t.serve(w, asked)
	select {
	case <-w.begun:
	case <-ctx.Done():
		cancel()
		_ = reading.CloseWithError(ctx.Err())
		return nil, ctx.Err()
	}
	if w.failed != nil {
		cancel()
		return nil, w.failed
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: answerBody{reading, cancel}, ContentLength: -1, Request: req,
	}, nil
}

// request returns a request as the door's server would have read it.
func (t inProcess) request(ctx context.Context, req *http.Request) *http.Request {
	// What is asked has a table of routes of its own, and begins at its beginning.
	asked := req.Clone(context.WithValue(ctx, chi.RouteCtxKey, (*chi.Context)(nil)))
	asked.RequestURI, asked.Host = req.URL.RequestURI(), t.host
	asked.URL.Scheme, asked.URL.Host = "", ""
	asked.RemoteAddr, asked.TLS = t.viewer.RemoteAddr, t.viewer.TLS
	asked.Proto, asked.ProtoMajor, asked.ProtoMinor = "HTTP/1.1", 1, 1
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	for _, name := range []string{"User-Agent", "X-Forwarded-For", "X-Request-Id", "Traceparent", "Tracestate"} {
		if values := t.viewer.Header.Values(name); len(values) > 0 {
			asked.Header[name] = values
		}
	}
	return asked
}

// serve has the door answer. It aborts answers by a panic that is for its server.
func (t inProcess) serve(w *answerWriter, r *http.Request) {
	defer func() {
		if reason := recover(); reason != nil {
			err := errBroken
			if reason != http.ErrAbortHandler { //nolint:errorlint // It is compared as net/http does.
				// A fault that one page comes upon must not end what all others are served by.
				err = fmt.Errorf("%w: %v\n%s", errBroken, reason, debug.Stack())
			}
			w.end(err)
			return
		}
		w.end(nil)
	}()
	t.door.ServeHTTP(w, r)
}

// answerWriter is an [http.ResponseWriter] whose answer is read while it is written.
type answerWriter struct {
	header http.Header
	body   *io.PipeWriter

	once sync.Once
	// begun is closed when the header is sent, or the answer failed before.
	begun  chan struct{}
	status int
	sent   http.Header
	failed error
}

// Header implements [http.ResponseWriter].
func (w *answerWriter) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *answerWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		return
	}
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

// Write implements [http.ResponseWriter].
func (w *answerWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush implements [http.Flusher]: nothing is held back.
func (w *answerWriter) Flush() { w.WriteHeader(http.StatusOK) }

// end ends the answer, which is broken where err is set.
func (w *answerWriter) end(err error) {
	w.once.Do(func() {
		w.status, w.sent, w.failed = http.StatusOK, w.header.Clone(), err
		close(w.begun)
	})
	_ = w.body.CloseWithError(err)
}

// answerBody is the body of an answer. Who closes it early has the door stop.
type answerBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements [io.Closer].
func (b answerBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
