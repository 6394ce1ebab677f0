package shim_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
)

// secret is one that a test knows.
type secret string

func (s secret) Secrets(context.Context) ([][]byte, error) { return [][]byte{[]byte(s)}, nil }

// endless is a body that goes on until it is closed.
type endless struct{ closed atomic.Bool }

func (e *endless) Read(b []byte) (int, error) {
	if e.closed.Load() {
		return 0, io.EOF
	}
	return len(b), nil
}

func (e *endless) Close() error {
	e.closed.Store(true)
	return nil
}

// TestRefusedWhileItIsSent has a registry refuse a chunk before it has read all of it,
// which is sent on meanwhile. The race detector tells whether that is heeded.
func TestRefusedWhileItIsSent(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1<<10)
		w.Header().Set("Location", "/v2/app/blobs/uploads/1")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	aliases := &known{}
	registry, err := upstream.New(upstream.Options{URL: base, Shims: shim.Options{Hashes: secret("of a test"), Aliases: aliases}.Shims()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	send := func(method, target string, body io.ReadCloser, size int64) string {
		t.Helper()
		to, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := registry.RoundTrip((&http.Request{
			Method: method, URL: to, Header: http.Header{}, Body: body, ContentLength: size, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.Header.Get("Location")
	}
	upload := send(http.MethodPost, "/v2/app/blobs/uploads/", nil, 0)
	send(http.MethodPatch, upload, &endless{}, -1)
}

// TestUploadsElsewhere has the URL of an upload stay as it is where it does not lead back
// to the registry: it may be signed.
func TestUploadsElsewhere(t *testing.T) {
	for location, marked := range map[string]bool{
		"/v2/app/blobs/uploads/1": true, "http://storage.example/1?signature=x": false, "//storage.example/1": false, "": false,
	} {
		l := newLacking(t, shim.Options{Hashes: secret("of a test"), Aliases: &known{}}, map[string]said{
			"POST /v2/app/blobs/uploads/": {http.StatusAccepted, map[string]string{"Location": location}, ""},
		})
		got := l.send(t, http.MethodPost, "/v2/app/blobs/uploads/", "", nil, "Location").header["Location"]
		if same := got == location; same == marked {
			t.Errorf("%q became %q", location, got)
		}
	}
}
