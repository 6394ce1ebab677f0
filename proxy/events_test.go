package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/admin"
)

const eventsType = "application/vnd.docker.distribution.events.v1+json"

// eventsFixture is a proxy whose admin listener takes events.
type eventsFixture struct {
	*fixture
	admin string
}

func newEventsFixture(t *testing.T, configure ...func(*config.Config)) eventsFixture {
	t.Helper()
	configure = append([]func(*config.Config){func(cfg *config.Config) {
		cfg.Upstream.Service.Anonymous = true
		// Listings find nothing by themselves.
		cfg.Referrers.RecheckTag = config.Default().Referrers.RecheckTag
	}}, configure...)
	f := newFixture(t, configure...)
	operators := httptest.NewServer(admin.New(admin.Options{
		Ready: func(context.Context, []string) []admin.Part { return nil }, Metrics: f.metrics, Log: zaptest.NewLogger(t), Events: f.proxy.Events(),
	}))
	t.Cleanup(operators.Close)
	return eventsFixture{f, operators.URL}
}

func (f eventsFixture) post(mediaType, body string) reply {
	f.t.Helper()
	resp, err := http.Post(f.admin+"/events", mediaType, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, read}
}

// tell sends events and makes sure of the answer's status.
func (f eventsFixture) tell(status int, events ...string) reply {
	f.t.Helper()
	got := f.post(eventsType, `{"events":[`+strings.Join(events, ",")+`]}`)
	if got.status != status {
		f.t.Fatalf("status %d, want %d: %s", got.status, status, got.body)
	}
	return got
}

func event(action, mediaType string, manifest []byte, tag string) string {
	return fmt.Sprintf(`{"id":"1","timestamp":"2026-01-02T03:04:05.6Z","action":%q,"target":{"mediaType":%q,"size":%d,"digest":%q,`+
		`"length":%d,"repository":"app","url":"http://registry/v2/app/manifests/x","tag":%q},"request":{"id":"2","addr":"192.0.2.7:1",`+
		`"host":"registry","method":"PUT","useragent":"test"},"actor":{"name":"somebody"},"source":{"addr":"registry:5000","instanceID":"3"}}`,
		action, mediaType, len(manifest), digest.FromBytes(manifest), len(manifest), tag)
}

// wantCounted makes sure of the metric.
func (f eventsFixture) wantCounted(action, result string, want int) {
	f.t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	got := 0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if family.GetName() == "backref_events_total" && labels["action"] == action && labels["result"] == result {
				got = int(metric.GetCounter().GetValue())
			}
		}
	}
	if got != want {
		f.t.Errorf("backref_events_total{action=%q,result=%q} is %d, want %d", action, result, got, want)
	}
}

func (f eventsFixture) wantListed(subject digest.Digest, want ...digest.Digest) {
	f.t.Helper()
	slices.Sort(want)
	if got := f.list("app", subject); !slices.Equal(got, want) {
		f.t.Errorf("listed %v, want %v", got, want)
	}
}

func TestEventOfAPush(t *testing.T) {
	f := newEventsFixture(t)
	subject := f.registry.put("app", image("subject"))
	sbom := referrer("sbom", subject)
	f.wantListed(subject)
	sum := f.registry.put("app", sbom)
	f.wantListed(subject)
	f.tell(http.StatusNoContent, event("push", imageManifest, sbom, ""))
	f.wantListed(subject, sum)
	f.wantCounted("push", "recorded", 1)
	// The registry sends an event again where the answer got lost. It is not
	// asked again.
	f.registry.seen()
	f.tell(http.StatusNoContent, event("push", imageManifest, sbom, ""), event("mount", imageManifest, sbom, ""))
	if asked := f.registry.seen(); len(asked) > 0 {
		t.Errorf("asked for %v", asked)
	}
	f.wantCounted("push", "known", 1)
	f.wantCounted("mount", "known", 1)
}

func TestEventOfADelete(t *testing.T) {
	f := newEventsFixture(t)
	subject := f.registry.put("app", image("subject"))
	sbom, signature := referrer("sbom", subject), referrer("signature", subject)
	for _, m := range [][]byte{sbom, signature} {
		if got := f.push("app", m); got.status != http.StatusCreated {
			t.Fatalf("push: %d", got.status)
		}
	}
	// The registry has it: it was pushed again, or the event is a lie.
	f.tell(http.StatusNoContent, event("delete", "", sbom, ""))
	f.wantListed(subject, digest.FromBytes(sbom), digest.FromBytes(signature))
	f.wantCounted("delete", "present", 1)

	f.registry.drop("app", digest.FromBytes(sbom))
	for range 2 {
		f.tell(http.StatusNoContent, event("delete", "", sbom, ""))
	}
	f.wantListed(subject, digest.FromBytes(signature))
	f.wantCounted("delete", "forgotten", 1)
	f.wantCounted("delete", "ignored", 1)
	if _, err := f.store.Get(t.Context(), "app", digest.FromBytes(sbom)); err == nil {
		t.Error("the record is still there")
	}
}

func TestEventOfAReferrersTag(t *testing.T) {
	f := newEventsFixture(t)
	subject := f.registry.put("app", image("subject"))
	sbom := referrer("sbom", subject)
	f.wantListed(subject)
	sum := f.registry.put("app", sbom)
	list := indexOf(sbom, referrer("gone", subject), image("another"))
	f.registry.put("app", image("another"))
	f.registry.put("app", list, oci.ReferrersTag(subject))
	f.wantListed(subject)
	f.tell(http.StatusNoContent, event("push", imageIndex, list, oci.ReferrersTag(subject)))
	f.wantListed(subject, sum)
	f.wantCounted("push", "imported", 1)
}

func TestEventOfAReferrersTagThatIsIgnored(t *testing.T) {
	f := newEventsFixture(t, func(cfg *config.Config) { cfg.Referrers.FallbackTags = config.FallbackOff })
	subject := f.registry.put("app", image("subject"))
	sbom := referrer("sbom", subject)
	f.registry.put("app", sbom)
	list := indexOf(sbom)
	f.registry.put("app", list, oci.ReferrersTag(subject))
	f.tell(http.StatusNoContent, event("push", imageIndex, list, oci.ReferrersTag(subject)))
	f.wantListed(subject)
	f.wantCounted("push", "recorded", 1)
}

func TestEventsOfNoConcern(t *testing.T) {
	f := newEventsFixture(t)
	subject := f.registry.put("app", image("subject"))
	sbom := referrer("sbom", subject)
	broken := []byte(`{"subject":1}`)
	f.registry.put("app", sbom)
	f.registry.put("app", broken)
	f.tell(http.StatusNoContent,
		event("pull", imageManifest, sbom, ""),
		event("push", "application/octet-stream", sbom, ""),
		event("explode", imageManifest, sbom, ""),
		event("push", imageManifest, broken, ""),
		event("push", imageManifest, referrer("gone", subject), ""),
		`{"action":"delete","target":{"repository":"app","tag":"v1"}}`,
		`{"action":"delete","target":{"repository":"../app","digest":"`+digest.FromString("").String()+`"}}`,
	)
	f.wantListed(subject)
	f.wantCounted("pull", "ignored", 1)
	f.wantCounted("push", "ignored", 1)
	f.wantCounted("other", "ignored", 1)
	f.wantCounted("push", "unreadable", 1)
	f.wantCounted("push", "gone", 1)
	f.wantCounted("delete", "ignored", 1)
	f.wantCounted("delete", "invalid", 1)
}

func TestEventsWaitForTheUpstream(t *testing.T) {
	f := newEventsFixture(t)
	subject := f.registry.put("app", image("subject"))
	first, second, deleted := referrer("a", subject), referrer("b", subject), referrer("c", subject)
	f.push("app", deleted)
	f.registry.put("app", first)
	f.registry.put("app", second)
	f.registry.drop("app", digest.FromBytes(deleted))
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway} {
		f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, digest.FromBytes(first).String()) {
				return false
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="secret"`)
			w.WriteHeader(status)
			return true
		})
		got := f.tell(http.StatusServiceUnavailable,
			event("push", imageManifest, first, ""), event("delete", "", deleted, ""), event("push", imageManifest, second, ""))
		if got.header.Get("Retry-After") == "" || got.header.Get("WWW-Authenticate") != "" || !bytes.HasPrefix(got.body, []byte(`{"errors":[`)) {
			t.Errorf("upstream %d: %v %s", status, got.header, got.body)
		}
	}
	f.wantCounted("delete", "failed", 4)
	f.registry.answer(nil)
	f.tell(http.StatusNoContent,
		event("push", imageManifest, first, ""), event("delete", "", deleted, ""), event("push", imageManifest, second, ""))
	f.wantListed(subject, digest.FromBytes(first), digest.FromBytes(second))
}

// A manifest that is deleted through the proxy while its event is worked off
// does not come back.
func TestEventIsOvertaken(t *testing.T) {
	f := newEventsFixture(t)
	subject := f.registry.put("app", image("subject"))
	sbom := referrer("sbom", subject)
	sum := f.registry.put("app", sbom)
	overtaken := false
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || overtaken || !strings.HasSuffix(r.URL.Path, sum.String()) {
			return false
		}
		overtaken = true
		f.registry.serve(w, r)
		if got := f.do(http.MethodDelete, "/v2/app/manifests/"+sum.String(), nil); got.status != http.StatusAccepted {
			t.Errorf("delete: %d", got.status)
		}
		return true
	})
	f.tell(http.StatusNoContent, event("push", imageManifest, sbom, ""))
	if !overtaken {
		t.Fatal("the event was not overtaken")
	}
	f.wantListed(subject)
	f.wantCounted("push", "gone", 1)
}

func TestEventsThatAreNone(t *testing.T) {
	f := newEventsFixture(t)
	for _, c := range []struct {
		mediaType, body string
		want            int
	}{
		{eventsType, "", http.StatusBadRequest},
		{eventsType, "{}", http.StatusBadRequest},
		{eventsType, `{"events":[` + strings.Repeat(" ", 1<<20) + `]}`, http.StatusRequestEntityTooLarge},
		{"text/plain", `{"events":[]}`, http.StatusUnsupportedMediaType},
		{"application/vnd.docker.distribution.events.v2+json", `{"events":[]}`, http.StatusNoContent},
		{"application/json; charset=utf-8", `{"events":[]}`, http.StatusNoContent},
	} {
		got := f.post(c.mediaType, c.body)
		if got.status != c.want {
			t.Errorf("%s %.20q: status %d, want %d", c.mediaType, c.body, got.status, c.want)
		}
		if got.status != http.StatusNoContent && !bytes.HasPrefix(got.body, []byte(`{"errors":[`)) {
			t.Errorf("body %s", got.body)
		}
	}
}

func TestEventsNeedCredentials(t *testing.T) {
	f := newEventsFixture(t, func(cfg *config.Config) { cfg.Upstream.Service.Anonymous = false })
	got := f.tell(http.StatusServiceUnavailable)
	if !strings.Contains(string(got.body), "upstream.service.username") {
		t.Errorf("the answer does not say what to set: %s", got.body)
	}
}

func TestAdminWithoutEvents(t *testing.T) {
	operators := admin.New(admin.Options{Metrics: prometheus.NewRegistry(), Log: zaptest.NewLogger(t)})
	w := httptest.NewRecorder()
	operators.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://127.0.0.1/events", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}
