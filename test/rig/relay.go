package rig

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"
)

// Relay stands between backref and a registry and acts at chosen moments.
type Relay struct {
	// URL is where it listens.
	URL string

	mutex  sync.Mutex
	before func(w http.ResponseWriter, r *http.Request) bool
	after  func(r *http.Request, status int)
	seen   []string
}

// NewRelay starts a relay to a registry.
func NewRelay(t testing.TB, upstream string) *Relay {
	t.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	relay := &Relay{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		// The whole answer is read, so that it is in full before it is passed.
		ModifyResponse: func(resp *http.Response) error {
			if resp.Request.Method == http.MethodHead {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			resp.Body = io.NopCloser(bytes.NewReader(body))
			resp.ContentLength = int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			relay.mutex.Lock()
			after := relay.after
			relay.mutex.Unlock()
			if after != nil {
				after(resp.Request, resp.StatusCode)
			}
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		relay.mutex.Lock()
		relay.seen = append(relay.seen, r.Method+" "+r.URL.Path)
		before := relay.before
		relay.mutex.Unlock()
		if before != nil && before(w, r) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	relay.URL = server.URL
	return relay
}

// Before has every request seen before the registry sees it; one for which
// the function returns true has been answered.
func (r *Relay) Before(act func(w http.ResponseWriter, r *http.Request) bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.before = act
}

// After has every answer seen when the registry has given it and before it is
// passed on.
func (r *Relay) After(act func(r *http.Request, status int)) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.after = act
}

// Seen returns the requests since the last call, each as "METHOD path".
func (r *Relay) Seen() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}
