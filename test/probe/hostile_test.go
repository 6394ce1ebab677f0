package probe_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
	"github.com/backref/backref/upstream/probe"
)

// A registry that fails, sends without end, or sends something else than was asked for,
// shows nothing: all is unknown, and the run ends.
func TestHostileRegistries(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"errors": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"denies": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"busy":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"sends away": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/")
			w.WriteHeader(http.StatusFound)
		},
		"odd status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"pages":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>sign in</html>") },
		"other types": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"repositories":{"a":1},"name":7,"tags":"v1"}`)
		},
		"breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, `{"`)
		},
		"without end": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, `{"repositories":["app"],"name":"app","tags":["v1","v2"],"manifests":[`+strings.Repeat(" ", 1<<16)); err != nil {
					return
				}
			}
		},
		"stops": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"name":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"says nothing": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		for _, o := range []probe.Options{{}, {Repository: "app"}, {Write: "app", MountFrom: "lib"}} {
			t.Run(fmt.Sprintf("%s/%s%s", name, o.Repository, o.Write), func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/v2/" {
						return
					}
					// Who has not read it does not see that the client has gone.
					_, _ = io.Copy(io.Discard, r.Body)
					answer(w, r)
				}))
				t.Cleanup(server.Close)
				o.Timeout = 100 * time.Millisecond
				report := ask(t, server.URL, o)
				for _, f := range report.Findings {
					// That no token is used is true, and what answers other than an
					// index has no referrers API.
					known := f.Capability == probe.CapabilityTokenLife || f.Capability == probe.CapabilityReferrers && f.Verdict == probe.No
					if !known && (f.Verdict != probe.Unknown || f.Reason == "") {
						t.Errorf("%+v", f)
					}
				}
			})
		}
	}
}

// A registry that lists names which are none is asked for nothing by them.
func TestNamesThatAreNone(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
		case r.URL.Path == "/v2/_catalog":
			_, _ = io.WriteString(w, `{"repositories":["../../admin","app"]}`)
		case strings.HasSuffix(r.URL.Path, "/tags/list"):
			_, _ = io.WriteString(w, `{"name":"app","tags":["../../../admin","x"]}`)
		case strings.Contains(r.URL.Path, "admin"):
			asked.Add(1)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	ask(t, server.URL, probe.Options{})
	ask(t, server.URL, probe.Options{Repository: "app"})
	if asked.Load() != 0 {
		t.Errorf("asked %d times by a name that is none", asked.Load())
	}
}

// An upload that leads to another host is sent nowhere: the credentials would go along.
func TestUploadsElsewhere(t *testing.T) {
	var sent atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent.Add(1) }))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Location", elsewhere.URL+"/upload")
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(server.Close)
	report := ask(t, server.URL, probe.Options{Write: "app"})
	for _, f := range report.Findings {
		if f.Capability == probe.CapabilityIndex && (f.Verdict != probe.Unknown || !strings.Contains(f.Reason, "uploads go to another place")) {
			t.Errorf("%+v", f)
		}
	}
	if sent.Load() != 0 {
		t.Errorf("sent %d requests there", sent.Load())
	}
}

// Of a registry that isn't there nothing is known, and what to do is said.
func TestNoRegistry(t *testing.T) {
	report := ask(t, "http://"+rig.FreeAddress(t), probe.Options{Write: "app"})
	if len(report.Of(probe.Unknown)) != len(report.Findings) || !strings.Contains(report.Fault, "upstream.url") {
		t.Errorf("%+v", report)
	}
}
