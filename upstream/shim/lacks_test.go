package shim_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
)

// lacking is a registry that answers as a test says, behind shims.
type lacking struct {
	*upstream.Registry
	mu   sync.Mutex
	seen []string
	// forms says that it was sent a body that may be a form.
	forms bool
	// conditions are those of the last request.
	conditions string
}

// newLacking starts a registry that answers by answers, which has method and path, and
// the range that is asked for where one is. What it has no answer for is 404.
func newLacking(t *testing.T, on shim.Options, answers map[string]said) *lacking {
	t.Helper()
	return newLackingFunc(t, on, func(asked string) said {
		if a, found := answers[asked]; found {
			return a
		}
		return said{status: http.StatusNotFound}
	})
}

func newLackingFunc(t *testing.T, on shim.Options, answers func(asked string) said) *lacking {
	t.Helper()
	l := &lacking{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := strings.TrimSpace(r.Method + " " + r.URL.Path + " " + r.Header.Get("Range"))
		l.mu.Lock()
		l.seen = append(l.seen, asked)
		l.conditions = r.Header.Get("If-Match") + r.Header.Get("If-None-Match")
		l.forms = l.forms || r.Header.Get("Content-Type") == "application/x-www-form-urlencoded"
		a := answers(asked)
		l.mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if l.Registry, err = upstream.New(upstream.Options{URL: base, Shims: on.Shims()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// said is an answer.
type said struct {
	status int
	header map[string]string
	body   string
}

// send sends a request, and returns the answer with the header fields that are named.
func (l *lacking) send(t *testing.T, method, target, body string, header map[string]string, names ...string) said {
	t.Helper()
	resp, err := l.RoundTrip(l.request(t, method, target, body, header))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := said{resp.StatusCode, map[string]string{}, string(got)}
	for _, name := range names {
		if value := resp.Header.Get(name); value != "" {
			answer.header[name] = value
		}
	}
	return answer
}

func (*lacking) request(t *testing.T, method, target, body string, header map[string]string) *http.Request {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	req := (&http.Request{Method: method, URL: to, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(t.Context())
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if body != "" {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(body))), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(body))
	}
	return req
}

func (a said) is(want said) bool {
	return a.status == want.status && maps.Equal(a.header, want.header) && strings.Contains(a.body, want.body)
}

// wantSeen compares what the registry was asked, in this order.
func (l *lacking) wantSeen(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.seen, want) {
		t.Errorf("the registry saw %q, not %q", l.seen, want)
	}
}
