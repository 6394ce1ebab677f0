package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is a collector, which keeps what it is sent.
type receiver struct {
	*httptest.Server
	mutex sync.Mutex
	raw   bytes.Buffer
	spans []*spans.Span
	about []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var sent collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
			t.Errorf("%s: is no spans: %v", req.URL, err)
		}
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.raw.Write(body)
		for _, resource := range sent.ResourceSpans {
			for _, attribute := range resource.Resource.Attributes {
				r.about = append(r.about, attribute.Key+"="+attribute.Value.GetStringValue())
			}
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// named returns the spans of a trace with a name.
func (r *receiver) named(trace, name string) []*spans.Span {
	var found []*spans.Span
	for _, span := range r.spans {
		if span.Name == name && (trace == "" || hex.EncodeToString(span.TraceId) == trace) {
			found = append(found, span)
		}
	}
	return found
}

func attributeOf(span *spans.Span, key string) string {
	for _, attribute := range span.Attributes {
		if attribute.Key == key {
			if text := attribute.Value.GetStringValue(); text != "" {
				return text
			}
			return fmt.Sprint(attribute.Value.GetIntValue())
		}
	}
	return ""
}

// askedRegistry is a registry that has every manifest of one repository, and keeps
// what it is asked with.
type askedRegistry struct {
	*httptest.Server
	mutex  sync.Mutex
	traces map[string][]string // by method and path
}

func newAskedRegistry(t *testing.T, subject []byte) *askedRegistry {
	t.Helper()
	a := &askedRegistry{traces: map[string][]string{}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		a.mutex.Lock()
		at := r.Method + " " + r.URL.Path
		a.traces[at] = append(a.traces[at], strings.Join(r.Header["Traceparent"], "; "))
		a.mutex.Unlock()
		switch {
		case r.Method == http.MethodPut:
			w.WriteHeader(http.StatusCreated)
		case strings.HasSuffix(r.URL.Path, digest.FromBytes(subject).String()) && strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", digest.FromBytes(subject).String())
			_, _ = w.Write(subject)
		case r.URL.Path == "/v2/":
			// What answers is a registry: its 404s are believed.
		case r.URL.Path == "/v2/_catalog":
			_, _ = io.WriteString(w, `{"repositories":["team/app"]}`)
		case r.URL.Path == "/v2/team/app/tags/list":
			_, _ = io.WriteString(w, `{"name":"team/app","tags":[]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

const (
	traceA   = "0af7651916cd43dd8448eb211c80319c"
	traceB   = "4bf92f3577b34da6a3ce929d0e0e4736"
	unknownX = "00f067aa0ba902b7"
	config1  = `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
)

// asks sends a request as a client that is traced.
func asks(t *testing.T, method, at, trace string, body []byte) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, at, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("s3cret-user", "s3cret-password")
	req.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	req.Header.Set("Cookie", "s3cret-cookie")
	if trace != "" {
		req.Header.Set("Traceparent", "00-"+trace+"-"+unknownX+"-01")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

// A client's trace goes on through backref to the registry, with the parts of a
// push and of a listing, and that of a rebuild is one of its own. What is sent to
// the collector has no secret in it, wherever a client has put one.
func TestTrace(t *testing.T) {
	subject := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + config1 + `,"layers":[]}`)
	referrer := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + config1 + `,"layers":[],"subject":` +
		fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d}}`, digest.FromBytes(subject), len(subject)))
	collecting, registry := newReceiver(t), newAskedRegistry(t, subject)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	var log written
	cfg := configFor(t, registry.URL)
	cfg.Upstream.Service.Anonymous, cfg.Reconcile.SettleInterval, cfg.Reconcile.VerifyInterval, cfg.Reconcile.MissingTwice = true, 0, 0, 0
	cfg.Tracing.Enabled = true
	var err error
	if cfg.Tracing.Endpoint, err = url.Parse(collecting.URL); err != nil {
		t.Fatal(err)
	}
	s := startLogging(t, cfg, &log)
	base := "http://" + s.front.Addr().String()
	pushed := "/v2/team/app/manifests/v1"
	if got := asks(t, http.MethodPut, base+pushed+"?note=s3cret", traceA, referrer).StatusCode; got != http.StatusCreated {
		t.Fatalf("pushed: %d", got)
	}
	listed := "/v2/team/app/referrers/" + digest.FromBytes(subject).String()
	if got := asks(t, http.MethodGet, base+listed+"?artifactType=s3cret", traceB, nil).StatusCode; got != http.StatusOK {
		t.Fatalf("listed: %d", got)
	}
	asks(t, http.MethodPatch, base+"/v2/team/app/blobs/uploads/s3cret-session?_state=s3cret-state&digest=s3cret", "", nil)
	asks(t, http.MethodGet, base+"/token?password=s3cret", "", nil)
	asks(t, http.MethodGet, base+"/s3cret-path/x", "", nil)
	asks(t, http.MethodPost, "http://"+s.admin.Addr().String()+"/admin/rebuild", "", []byte("{}"))
	s.stop()
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	for name, trace := range map[string]string{
		"PUT /v2/{name}/manifests/{reference}": traceA, "begin intent": traceA, "PUT": traceA, "confirm intent": traceA,
		"GET /v2/{name}/referrers/{digest}": traceB, "gate": traceB, "HEAD": traceB, "read open intents": traceB, "read referrers tag": traceB,
		"ask referrers API": traceB, "read page": traceB,
		"rebuild": "", "read repository": "", "keep records": "", "swap": "",
	} {
		if len(collecting.named(trace, name)) == 0 {
			t.Errorf("there is no span %q of trace %q", name, trace)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	checkPush(t, collecting, registry, pushed)
	if !slices.Contains(collecting.about, "service.name=backref") || !slices.Contains(collecting.about, "deployment.environment.name=test") {
		t.Errorf("of the service: %q", collecting.about)
	}
	if strings.Contains(collecting.raw.String(), "s3cret") {
		t.Errorf("a secret is sent to the collector")
	}
	if lines := log.lines("request"); len(lines) < 2 || lines[0]["trace_id"] != traceA || lines[1]["trace_id"] != traceB {
		t.Errorf("lines of the log: %v", lines)
	}
	ended := log.lines("rebuild ended")
	if begins := log.lines("rebuild begins"); len(begins) != 1 || len(ended) != 1 || ended[0]["trace_id"] != begins[0]["trace_id"] ||
		ended[0]["swapped"] != true || ended[0]["durationSeconds"] == nil {
		t.Errorf("lines of the rebuild: %v, %v", begins, ended)
	}
}

// checkPush looks at the span of the push, and at that of its request to the
// registry, which the registry was told of.
func checkPush(t *testing.T, collecting *receiver, registry *askedRegistry, pushed string) {
	t.Helper()
	request, sent := collecting.named(traceA, "PUT /v2/{name}/manifests/{reference}")[0], collecting.named(traceA, "PUT")[0]
	if hex.EncodeToString(request.ParentSpanId) != unknownX || request.Kind != spans.Span_SPAN_KIND_SERVER || sent.Kind != spans.Span_SPAN_KIND_CLIENT {
		t.Errorf("%v, %v", request, sent)
	}
	told := registry.traces["PUT "+pushed]
	if want := "00-" + traceA + "-" + hex.EncodeToString(sent.SpanId) + "-01"; len(told) != 1 || told[0] != want {
		t.Errorf("the registry was told %q, want %q", told, want)
	}
	for key, want := range map[string]string{
		"http.request.method": "PUT", "http.route": "/v2/{name}/manifests/{reference}", "http.response.status_code": "201", "url.path": pushed,
		"backref.repository": "team/app", "backref.tag": "v1", "url.scheme": "http", "client.address": "127.0.0.1",
	} {
		if got := attributeOf(request, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := attributeOf(sent, "server.address"); got != "127.0.0.1" {
		t.Errorf("the registry's address is %q", got)
	}
}

// Where no spans are made the registry is told the client's own trace.
func TestTracePassesWhereNoneAreMade(t *testing.T) {
	for name, c := range map[string]struct {
		enabled         bool
		variable, value string
	}{
		"off": {}, "disabled": {true, "OTEL_SDK_DISABLED", "true"}, "no exporter": {true, "OTEL_TRACES_EXPORTER", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.variable != "" {
				t.Setenv(c.variable, c.value)
			}
			registry := newAskedRegistry(t, nil)
			cfg := configFor(t, registry.URL)
			cfg.Tracing.Enabled = c.enabled
			s := start(t, cfg)
			asks(t, http.MethodGet, "http://"+s.front.Addr().String()+"/v2/team/app/tags/list", traceA, nil)
			if got := registry.traces["GET /v2/team/app/tags/list"]; len(got) != 1 || got[0] != "00-"+traceA+"-"+unknownX+"-01" {
				t.Errorf("the registry was told %q", got)
			}
			s.stop()
			if err := s.wait(t); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the variables of OpenTelemetry say is taken, or refused.
func TestTracingIsRefused(t *testing.T) {
	for variable, value := range map[string]string{"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value)
			cfg := configFor(t, "http://127.0.0.1:1")
			cfg.Tracing.Enabled = true
			if _, err := newServer(t.Context(), cfg, io.Discard); err == nil || !strings.Contains(err.Error(), variable) {
				t.Errorf("%v", err)
			}
		})
	}
}
