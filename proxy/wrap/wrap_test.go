package wrap_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
)

// door is one that has a single endpoint.
type door struct{}

func (door) Endpoint() string { return "things" }

func (door) Route() string { return "/things" }

func (door) User(*http.Request) (string, bool) { return "", false }

func (door) Describe(_ *http.Request, to zapcore.ObjectEncoder) { to.AddString("thing", "one") }

// wrapped returns a handler with the wrappers of every request around it, and
// what it logs.
func wrapped(handler http.HandlerFunc) (http.Handler, *observer.ObservedLogs) {
	core, lines := observer.New(zap.InfoLevel)
	fail := func(w http.ResponseWriter, _ *http.Request, err error) {
		var answer *oci.Error
		if errors.As(err, &answer) {
			answer.Write(w)
		}
	}
	identify := wrap.Identify(wrap.IdentifyOptions{
		Open:    func(*http.Request) *wrap.Entry { return &wrap.Entry{Door: door{}} },
		Proxies: wrap.Proxies{netip.MustParsePrefix("10.0.0.0/8")},
	})
	log := zap.New(core)
	observe := wrap.Observe(wrap.ObserveOptions{Access: log, Log: log, Metrics: wrap.NewMetrics(nil), Now: time.Now})
	return identify(observe(wrap.Recover(wrap.RecoverOptions{Fail: fail})(handler))), lines
}

// What is noted of a request, by whoever has its context alone, is in its line
// of the log.
func TestNotesAreLogged(t *testing.T) {
	type key struct{}
	handler, lines := wrapped(func(w http.ResponseWriter, r *http.Request) {
		registry.Note(context.WithValue(r.Context(), key{}, 1), zap.Int("found", 3))
		w.WriteHeader(http.StatusAccepted)
	})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	logged := lines.FilterMessage("request").All()
	if len(logged) != 1 {
		t.Fatalf("%d lines", len(logged))
	}
	got := logged[0].ContextMap()
	if got["endpoint"] != "things" || got["thing"] != "one" || got["found"] != int64(3) || got["status"] != int64(http.StatusAccepted) || got["request"] == "" {
		t.Errorf("%v", got)
	}
}

func TestIdentifier(t *testing.T) {
	handler, _ := wrapped(func(w http.ResponseWriter, r *http.Request) {
		if id := registry.RequestID(r.Context()); id != w.Header().Get("X-Request-Id") {
			t.Errorf("%q is told as %q", id, w.Header().Get("X-Request-Id"))
		}
	})
	for _, c := range []struct {
		name, peer, given string
		taken             bool
	}{
		{"a trusted proxy's", "10.1.2.3:4", "abc", true},
		{"a stranger's", "192.0.2.1:4", "abc", false},
		{"of any form", "10.1.2.3:4", "a b", false},
		{"of any length", "10.1.2.3:4", strings.Repeat("a", 129), false},
		{"none", "10.1.2.3:4", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			r.Header.Set("X-Request-Id", c.given)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := w.Header().Get("X-Request-Id"); got == "" || (got == c.given) != c.taken {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A panic is one client's error, or breaks off an answer that had begun: what
// is there of it must not look whole.
func TestPanics(t *testing.T) {
	begun := false
	handler, lines := wrapped(func(w http.ResponseWriter, _ *http.Request) {
		if begun {
			w.WriteHeader(http.StatusOK)
		}
		panic("lost")
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "lost") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	begun = true
	defer func() {
		if cause, is := recover().(error); !is || !errors.Is(cause, http.ErrAbortHandler) {
			t.Errorf("broken off by %v", cause)
		}
		logged := lines.FilterMessage("request").All()
		if len(logged) != 2 || logged[1].ContextMap()["panic"] != "lost" {
			t.Errorf("%v", logged)
		}
	}()
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}
