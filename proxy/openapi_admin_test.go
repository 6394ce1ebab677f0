package proxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/notice"
	"github.com/backref/backref/proxy/admin"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/test/openapi"
	"github.com/backref/backref/upstream"
)

// operated is a proxy with its admin listener.
type operated struct {
	stocked
	adminURL string
	// down is why the server is not ready; nil where it is.
	down    error
	log     *zap.Logger
	notices *notice.Service
}

func newOperated(t *testing.T, token string, store func(index.Maintainer) index.Maintainer) *operated {
	t.Helper()
	var settings config.Config
	o := &operated{stocked: newStocked(t, func(cfg *config.Config) {
		cfg.Upstream.Service.Anonymous = true
		settings = *cfg
	})}
	signature := referrer("signature", o.subject)
	o.push("app", signature)
	kept, able := o.store.(index.Maintainer)
	if !able {
		t.Fatal("the store is for no maintenance")
	}
	behind, err := upstream.New(options.Upstream(settings.Upstream))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(behind.Close)
	log, level := zaptest.NewLogger(t), zap.NewAtomicLevel()
	o.log = log
	o.notices = newNotices(o, kept)
	maintenance := reconcile.New(store(kept), reconcile.NewSource(options.Source(settings, behind, kept)), options.Reconcile(settings.Reconcile), log)
	retaining := options.Retaining(settings)
	retaining.Store, retaining.Source, retaining.Log = kept, reconcile.NewSource(options.Source(settings, behind, kept)), log
	retaining.Settings = func() reconcile.RetentionSettings {
		settings, err := options.RetentionSettings(config.Retention{Rate: 1, MaxPerRun: 1, Rules: []config.RetentionRule{
			{Name: "all", Repositories: []string{"**"}, Keep: config.RetentionKeep{All: true}},
		}})
		if err != nil {
			t.Error(err)
		}
		return settings
	}
	capabilities := reconcile.NewCapabilities(behind, settings.Upstream.URL.String(), log)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		capabilities.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	operators := httptest.NewServer(admin.New(admin.Options{
		Ready: func(context.Context, []string) []admin.Part {
			parts := []admin.Part{{Name: "server", OK: true, Required: true, Since: time.Now()}, {Name: "upstream", Message: "not looked at"}}
			if o.down != nil {
				parts[0].OK, parts[0].Message = false, o.down.Error()
			}
			return parts
		},
		Metrics: o.metrics, Log: log, Token: func() string { return token }, Events: o.proxy.Events(), Level: &level,
		Maintenance: maintenance.Handler(reconcile.NewRetention(retaining).Routes, capabilities.Routes, o.proxy.Routes, o.notices.Routes),
	}))
	t.Cleanup(operators.Close)
	o.adminURL = operators.URL
	return o
}

// ask sends a request to the admin listener.
func (o *operated) ask(document *openapi.Document, method, at, body string, headers ...string) reply {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.adminURL+at, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	got := reply{resp.StatusCode, resp.Header, read}
	checkDescribed(o.t, document, method, at, got)
	return got
}

// asItIs returns a store as it is.
func asItIs(store index.Maintainer) index.Maintainer { return store }

// inDatabase is a store that is not kept in a file.
type inDatabase struct{ index.Maintainer }

// TestOpenAPIAdminAnswers has the admin listener give each answer that is
// described of it, and holds it against the description.
func TestOpenAPIAdminAnswers(t *testing.T) {
	document, err := loadOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	o := newOperated(t, "", asItIs)
	if _, err := o.store.Begin(t.Context(), index.Intent{Kind: index.IntentPush, Record: index.Record{
		Repository: "app", Manifest: index.Manifest{Digest: o.subject, MediaType: imageManifest, Size: 1},
	}, Deadline: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := o.store.(index.Journal).WriteJournal(t.Context(), index.BookAudit, index.JournalEntry{
		Key: "k", Value: []byte(`{"time":"2026-01-02T03:04:05Z","outcome":"denied","action":"pull","repository":"app","rule":"images","repeated":2}`),
	}); err != nil {
		t.Fatal(err)
	}
	exported := string(o.ask(document, http.MethodGet, "/admin/export", "").body)
	if !strings.Contains(exported, `"repository":"app"`) {
		t.Fatalf("exported %q", exported)
	}
	const options, pushed = `{"repositories":["app"]}`, `{"events":[]}`
	for _, c := range []struct {
		method, at, body string
		status           int
		headers          []string
	}{
		{method: http.MethodGet, at: "/livez", status: http.StatusOK},
		{method: http.MethodGet, at: "/readyz", status: http.StatusOK},
		{method: http.MethodGet, at: "/readyz?verbose&exclude=index", status: http.StatusOK},
		{method: http.MethodGet, at: "/metrics", status: http.StatusOK},
		{method: http.MethodGet, at: "/admin/stats", status: http.StatusOK},
		{method: http.MethodGet, at: "/admin/log/level", status: http.StatusOK},
		{method: http.MethodPut, at: "/admin/log/level", body: `{"level":"debug"}`, status: http.StatusOK},
		{method: http.MethodPut, at: "/admin/log/level", body: `{"level":"fatal"}`, status: http.StatusBadRequest},
		{method: http.MethodPost, at: "/admin/log/level", body: `{"level":"info"}`, status: http.StatusMethodNotAllowed},
		{method: http.MethodGet, at: "/admin/intents", status: http.StatusOK},
		{method: http.MethodGet, at: "/admin/audit?repository=app&outcome=denied", status: http.StatusOK},
		{method: http.MethodGet, at: "/admin/audit?since=yesterday", status: http.StatusBadRequest},
		{method: http.MethodGet, at: "/admin/backup", status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/import", body: exported, status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/import", body: exported + "{", status: http.StatusBadRequest},
		{method: http.MethodPost, at: "/admin/verify", body: options, status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/rebuild", body: options, status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/prune", body: options, status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/hold?dryRun=false", body: options, status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/retain", body: `{"dryRun":true}`, status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/retain", body: `{"repositories":["A"]}`, status: http.StatusBadRequest},
		{method: http.MethodPost, at: "/admin/retain/stop", status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/verify", body: "", status: http.StatusBadRequest},
		{method: http.MethodPost, at: "/admin/rebuild", body: `{"unheard":1}`, status: http.StatusBadRequest},
		{method: http.MethodPost, at: "/admin/prune", body: "[]", status: http.StatusBadRequest},
		{method: http.MethodPost, at: "/admin/hold", body: "", status: http.StatusBadRequest},
		{method: http.MethodPost, at: "/events", body: pushed, status: http.StatusNoContent, headers: []string{"Content-Type", eventsType}},
		{method: http.MethodPost, at: "/events", body: "{", status: http.StatusBadRequest, headers: []string{"Content-Type", eventsType}},
		{method: http.MethodPost, at: "/events", body: strings.Repeat(" ", 1<<20) + "{}", status: http.StatusRequestEntityTooLarge, headers: []string{"Content-Type", eventsType}},
		{method: http.MethodPost, at: "/events", body: pushed, status: http.StatusUnsupportedMediaType},
		{method: http.MethodPost, at: "/admin/stats", status: http.StatusMethodNotAllowed},
		{method: http.MethodGet, at: "/admin/unheard", status: http.StatusNotFound},
		{method: http.MethodGet, at: "/admin/policy/present?repository=app&reference=" + o.subject.String(), status: http.StatusOK},
		{method: http.MethodGet, at: "/admin/upstream", status: http.StatusOK},
		{method: http.MethodPost, at: "/admin/upstream", status: http.StatusOK},
		{method: http.MethodGet, at: "/admin/policy/present?repository=app&reference=v9", status: http.StatusOK},
		{method: http.MethodGet, at: "/admin/policy/present?repository=app", status: http.StatusBadRequest},
	} {
		if got := o.ask(document, c.method, c.at, c.body, c.headers...); got.status != c.status {
			t.Errorf("%s %s: status %d, want %d: %s", c.method, c.at, got.status, c.status, got.body)
		}
	}
	noticesAnswered(document, o)
	withoutService := newEventsFixture(t, func(cfg *config.Config) { cfg.Upstream.Service.Anonymous = false })
	refused := withoutService.tell(http.StatusServiceUnavailable)
	checkDescribed(t, document, http.MethodPost, "/events", refused)
	presentWithout(t, document, withoutService.fixture, http.StatusNotImplemented)
	o.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	presentWithout(t, document, o.fixture, http.StatusBadGateway)
	o.registry.answer(nil)
	o.down = errors.New("it starts")
	for _, at := range []string{"/readyz", "/readyz?verbose"} {
		if got := o.ask(document, http.MethodGet, at, ""); got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "it starts") {
			t.Errorf("not ready: %s: status %d: %s", at, got.status, got.body)
		}
	}
	if got := newOperated(t, "", func(store index.Maintainer) index.Maintainer { return inDatabase{store} }).
		ask(document, http.MethodGet, "/admin/backup", ""); got.status != http.StatusNotImplemented {
		t.Errorf("a backup of a database: status %d", got.status)
	}
	refusals(t, document)
	if err := o.store.(io.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	if got := o.ask(document, http.MethodGet, "/admin/stats", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("numbers of an index that can't be read: status %d", got.status)
	}
	noticesWithoutIndex(document, o)
	noFeeds(t, document)
	wantAllSeen(t, document, func(answer string) bool { return !strings.Contains(answer, " /v2/") })
}

// presentWithout asks a proxy what is there that can't know.
func presentWithout(t *testing.T, document *openapi.Document, f *fixture, status int) {
	t.Helper()
	router := chi.NewRouter()
	f.proxy.Routes(router)
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Server", admin.Server)
	router.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/policy/present?repository=app&reference=v1", nil))
	got := reply{recorder.Code, recorder.Header(), recorder.Body.Bytes()}
	checkDescribed(t, document, http.MethodGet, "/admin/policy/present", got)
	if got.status != status {
		t.Errorf("what is there: status %d, want %d: %s", got.status, status, got.body)
	}
}

// refusals has all that is for operators alone refused to others.
func refusals(t *testing.T, document *openapi.Document) {
	t.Helper()
	open, secured := newOperated(t, "", asItIs), newOperated(t, "s3cret", asItIs)
	document.Operations(func(method, path string, operation *openapi3.Operation) {
		if operation.Responses.Status(http.StatusForbidden) == nil || strings.HasPrefix(path, "/v2/") {
			return
		}
		if got := open.ask(document, method, path, "{}", "Host", "evil.example"); got.status != http.StatusForbidden {
			t.Errorf("%s %s from elsewhere: status %d", method, path, got.status)
		}
		if got := secured.ask(document, method, path, "{}"); got.status != http.StatusUnauthorized {
			t.Errorf("%s %s without the token: status %d", method, path, got.status)
		}
	})
}
