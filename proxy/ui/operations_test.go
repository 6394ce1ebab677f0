package ui

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"
)

// operatorsUI returns pages whose admin API is a handler.
func operatorsUI(t *testing.T, operations http.Handler, viewer Viewer) *UI {
	t.Helper()
	u, err := New(Options{
		Base: "/ui", Door: http.NotFoundHandler(), Elsewhere: http.DefaultTransport, Operations: operations, Log: zaptest.NewLogger(t),
		Viewers: ViewersFunc(func(*http.Request) (Viewer, error) { return viewer, nil }),
		Place:   func(*http.Request) Place { return Place{Host: "registry.example:5000"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func look(t *testing.T, u http.Handler, path string, want int) string {
	t.Helper()
	w := httptest.NewRecorder()
	u.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != want {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func send(u http.Handler, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	u.ServeHTTP(w, r)
	return w
}

// A rebuild goes on when the viewer has left, is seen while it goes on, can't be begun
// twice, and leaves its report.
func TestRebuildOnThePage(t *testing.T) {
	lines, began := make(chan string), 0
	u := operatorsUI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/rebuild" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		began++
		for line := range lines {
			_, _ = io.WriteString(w, line+"\n")
		}
	}), Viewer{Name: "operator"})
	if w := send(u, "/ui/operations/work/rebuild", nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/ui/operations/work/rebuild" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	lines <- `{"progress":{"phase":"read","repositories":3,"repositoriesTotal":9,"manifests":40}}`
	var shown workView
	for deadline := time.Now().Add(30 * time.Second); shown.Progress == nil && time.Now().Before(deadline); {
		if err := json.Unmarshal([]byte(look(t, u, "/ui/operations/work/rebuild?format=json", http.StatusOK)), &shown); err != nil {
			t.Fatal(err)
		}
	}
	if page := look(t, u, "/ui/operations/work/rebuild", http.StatusOK); !strings.Contains(page, "3 of 9 repositories, 40 manifests") || !strings.Contains(page, ">Stop<") {
		t.Errorf("%s", page)
	}
	if w := send(u, "/ui/operations/work/rebuild", nil); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "under way already") {
		t.Errorf("a second one: %d %s", w.Code, w.Body)
	}
	lines <- `{"report":{"found":41,"seconds":1.5,"swapped":true,"failures":[{"repository":"a/b","reference":"v1","error":"<i>gone</i>"}]},"error":"not complete"}`
	close(lines)
	u.works.running.Wait()
	page := look(t, u, "/ui/operations/work/rebuild", http.StatusOK)
	for _, want := range []string{"<dt>found</dt><dd>41</dd>", "a/b v1: &lt;i&gt;gone&lt;/i&gt;", "not complete", ">Begin<"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	if began != 1 {
		t.Errorf("begun %d times", began)
	}
}

// What is under way ends with the program, and nothing begins after that.
func TestWorkEndsWithTheProgram(t *testing.T) {
	asked := make(chan struct{})
	u := operatorsUI(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}), Viewer{})
	send(u, "/ui/operations/work/verify", nil)
	<-asked
	ended, end := context.WithCancel(t.Context())
	end()
	u.Run(ended)
	if w := send(u, "/ui/operations/work/verify", nil); w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
	}
	if page := look(t, u, "/ui/operations/work/verify", http.StatusOK); !strings.Contains(page, "it was stopped") {
		t.Errorf("%s", page)
	}
}

// The dry run of retention is one.
func TestRetentionIsOnlyTried(t *testing.T) {
	u := operatorsUI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var options map[string]any
		if err := json.NewDecoder(r.Body).Decode(&options); err != nil || options["dryRun"] != true || len(options) != 1 {
			t.Errorf("%v %v", options, err)
		}
		_, _ = io.WriteString(w, `{"retained":{"decision":"remove","repository":"prod/app","digest":"sha256:1","rule":"old scans","reason":"it is <b>old</b>"}}`+"\n"+`{"retention":{"going":1}}`+"\n")
	}), Viewer{})
	send(u, "/ui/operations/work/retention", nil)
	u.works.running.Wait()
	page := look(t, u, "/ui/operations/work/retention", http.StatusOK)
	for _, want := range []string{"prod/app", "<code>old scans</code>", "it is &lt;b&gt;old&lt;/b&gt;", "<dt>going</dt><dd>1</dd>"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
}

// A form of another site, or without the viewer's token, changes nothing.
func TestFormsOfOthers(t *testing.T) {
	u := operatorsUI(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("begun") }), Viewer{Token: "right"})
	for name, w := range map[string]*httptest.ResponseRecorder{
		"no token":         send(u, "/ui/operations/work/rebuild", nil),
		"another token":    send(u, "/ui/operations/work/rebuild", url.Values{"token": {"wrong"}}),
		"another site":     send(u, "/ui/operations/work/rebuild", url.Values{"token": {"right"}}, "Sec-Fetch-Site", "cross-site"),
		"another origin":   send(u, "/ui/operations/work/rebuild", url.Values{"token": {"right"}}, "Origin", "https://evil.example"),
		"no kind of work":  send(u, "/ui/operations/work/other", url.Values{"token": {"right"}}),
		"a form too large": send(u, "/ui/operations/work/rebuild", url.Values{"token": {"right"}, "x": {strings.Repeat("x", maxForm)}}),
	} {
		if w.Code < http.StatusBadRequest {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// A fault that a page comes upon ends that page, and no more.
func TestFaultsEndOnePage(t *testing.T) {
	u := operatorsUI(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault") }), Viewer{})
	if page := look(t, u, "/ui/operations", http.StatusBadGateway); strings.Contains(page, "a fault") {
		t.Errorf("%s", page)
	}
	send(u, "/ui/operations/work/rebuild", nil)
	u.works.running.Wait()
	if view := u.works.view(workRebuild); view.Running || view.Error != "it was broken off; the log says why" {
		t.Errorf("%+v", view)
	}
}

func TestDecisions(t *testing.T) {
	u := operatorsUI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.URL.Path != "/audit" || query.Get("repository") != "prod/**" || query.Get("outcome") != "denied" || query.Has("rule") || query.Get("since") == "" {
			t.Errorf("%s", r.URL)
		}
		for _, digest := range []string{"sha256:first", "sha256:last"} {
			_ = json.NewEncoder(w).Encode(decision{Time: time.Now(), Outcome: "denied", Action: "delete", Repository: "prod/app", Digest: digest, Rule: "tags.locks[0]"})
		}
	}), Viewer{})
	page := look(t, u, "/ui/operations/decisions?repository=prod/**&outcome=denied&since=720h", http.StatusOK)
	first, last := strings.Index(page, "sha256:first"), strings.Index(page, "sha256:last")
	if first < 0 || last < 0 || last > first {
		t.Errorf("the newest comes first: %s", page)
	}
	look(t, u, "/ui/operations/decisions?since=yesterday", http.StatusBadRequest)
	look(t, u, "/ui/operations/decisions?repository=%00", http.StatusBadRequest)
}

// Whatever is shown, browsers are told to run nothing of it.
func TestPagesAreGuarded(t *testing.T) {
	u := operatorsUI(t, http.NotFoundHandler(), Viewer{})
	for _, path := range []string{"/ui/", "/ui/repositories", "/ui/nothing", "/ui/operations", "/ui/assets/style.css", "/elsewhere"} {
		w := httptest.NewRecorder()
		u.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %q", path, policy)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
}
