package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/routes"
	"github.com/backref/backref/upstream/split"
)

const (
	imageManifest = "application/vnd.oci.image.manifest.v1+json"
	imageIndex    = "application/vnd.oci.image.index.v1+json"
)

// oddRegistry is a registry for what no real one does on demand: it keeps
// manifests by tag and digest, and a hook may take over any request.
type oddRegistry struct {
	mutex     sync.Mutex
	manifests map[string][]byte // "repository@reference"
	requests  []string
	// hook answers a request itself if it returns true. It may be changed
	// between requests.
	hook func(w http.ResponseWriter, r *http.Request) bool
	// noRegistry says that it has no /v2/.
	noRegistry bool
}

func newOddRegistry() *oddRegistry {
	return &oddRegistry{manifests: map[string][]byte{}}
}

func (o *oddRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mutex.Lock()
	if r.URL.Path == "/v2/" && r.UserAgent() == "backref" && !o.noRegistry {
		// Whether it is a registry at all is asked seldom, and not counted.
		o.mutex.Unlock()
		return
	}
	o.requests = append(o.requests, r.Method+" "+r.URL.Path)
	hook := o.hook
	o.mutex.Unlock()
	if hook != nil && hook(w, r) {
		return
	}
	o.serve(w, r)
}

func (o *oddRegistry) serve(w http.ResponseWriter, r *http.Request) {
	repository, reference, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	if !found {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	key := repository + "@" + reference
	switch r.Method {
	case http.MethodPut:
		o.manifests[key] = body
		o.manifests[repository+"@"+digest.FromBytes(body).String()] = body
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		delete(o.manifests, key)
		w.WriteHeader(http.StatusAccepted)
	default:
		manifest, found := o.manifests[key]
		if !found {
			http.NotFound(w, r)
			return
		}
		var stated struct{ MediaType string }
		_ = json.Unmarshal(manifest, &stated)
		w.Header().Set("Content-Type", stated.MediaType)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(manifest).String())
		w.Header().Set("Content-Length", fmt.Sprint(len(manifest)))
		_, _ = w.Write(manifest)
	}
}

// put stores a manifest past the proxy, under its digest and the tags.
func (o *oddRegistry) put(repository string, body []byte, tags ...string) digest.Digest {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	sum := digest.FromBytes(body)
	for _, reference := range append(tags, sum.String()) {
		o.manifests[repository+"@"+reference] = body
	}
	return sum
}

// drop deletes a manifest past the proxy.
func (o *oddRegistry) drop(repository string, manifest digest.Digest) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	delete(o.manifests, repository+"@"+manifest.String())
}

// answer sets the hook.
func (o *oddRegistry) answer(hook func(w http.ResponseWriter, r *http.Request) bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.hook = hook
}

// seen returns the requests since the last call, each as "METHOD path".
func (o *oddRegistry) seen() []string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	seen := o.requests
	o.requests = nil
	return seen
}

// fixture is a proxy before an odd registry.
type fixture struct {
	t        testing.TB
	registry *oddRegistry
	store    index.Store
	proxy    *proxy.Proxy
	metrics  *prometheus.Registry
	audited  *audited
	// warnings are what was logged for the operator.
	warnings *observer.ObservedLogs
	// url is where the proxy listens, upstreamURL where the registry does.
	url, upstreamURL string
}

// newFixture starts both. Nothing is remembered between requests unless the
// configuration says so.
func newFixture(t testing.TB, configure ...func(*config.Config)) *fixture {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return newFixtureWith(t, store, configure...)
}

func newFixtureWith(t testing.TB, store index.Store, configure ...func(*config.Config)) *fixture {
	t.Helper()
	return newFixtureOf(t, store, func(*proxy.Options) {}, configure...)
}

// newFixtureSigned has somebody tell who signed.
func newFixtureSigned(t testing.TB, signatures registry.Signatures) *fixture {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return newFixtureOf(t, store, func(o *proxy.Options) { o.Registry.Signatures = signatures })
}

func newFixtureOf(t testing.TB, store index.Store, opened func(*proxy.Options), configure ...func(*config.Config)) *fixture {
	t.Helper()
	odd := newOddRegistry()
	upstreamServer := httptest.NewServer(odd)
	t.Cleanup(upstreamServer.Close)
	base, err := url.Parse(upstreamServer.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Upstream.URL = base
	cfg.Permissions.CacheTTL = 0
	cfg.Referrers.RecheckTag = 0
	cfg.Referrers.RecheckNative = 0
	for _, set := range configure {
		set(&cfg)
	}
	behind, further, err := bare(cfg.Upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(behind.Close)
	t.Cleanup(further.Close)
	metrics := prometheus.NewRegistry()
	warnings, logs := observer.New(zapcore.WarnLevel)
	log := zaptest.NewLogger(t, zaptest.WrapOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return zapcore.NewTee(core, warnings) })))
	door, err := options.Proxy(cfg, store, behind, log)
	if err != nil {
		t.Fatal(err)
	}
	door.Feeds = func() bool { return true }
	told := &audited{}
	door.Routes = further
	door.Registry.Metrics, door.Registry.Audit = metrics, told.record
	opened(&door)
	handler, err := proxy.New(door)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(handler)
	t.Cleanup(front.Close)
	return &fixture{t: t, registry: odd, store: store, proxy: handler, metrics: metrics, audited: told, warnings: logs, url: front.URL, upstreamURL: upstreamServer.URL}
}

// bare returns the registries of a configuration without what is made up for there.
func bare(cfg config.Upstream) (*upstream.Registry, *routes.Table, error) {
	cfg.Shims = config.UpstreamShims{}
	return options.Behind(cfg, split.Options{}, nil, zap.NewNop(), func(*upstream.Options) {})
}

// reply is a response whose body has been read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request to the proxy; headers are given as name, value, ….
func (f *fixture) do(method, path string, body []byte, headers ...string) reply {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	got := reply{resp.StatusCode, resp.Header, read}
	document, err := described()
	if err != nil {
		f.t.Fatal(err)
	}
	checkDescribed(f.t, document, method, path, got)
	return got
}

// push pushes a manifest by its digest through the proxy.
func (f *fixture) push(repository string, manifest []byte) reply {
	f.t.Helper()
	return f.do(http.MethodPut, "/v2/"+repository+"/manifests/"+digest.FromBytes(manifest).String(), manifest,
		"Content-Type", imageManifest)
}

// list returns the digests of a listing, which has to succeed.
func (f *fixture) list(repository string, subject digest.Digest, headers ...string) []digest.Digest {
	f.t.Helper()
	got := f.do(http.MethodGet, "/v2/"+repository+"/referrers/"+subject.String(), nil, headers...)
	if got.status != http.StatusOK {
		f.t.Fatalf("listing: status %d: %s", got.status, got.body)
	}
	return listed(f.t, got.body)
}

// listed returns the digests that the body of a listing names.
func listed(t testing.TB, body []byte) []digest.Digest {
	t.Helper()
	var doc struct {
		Manifests []struct{ Digest digest.Digest }
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatalf("listing: %v: %s", err, body)
	}
	digests := make([]digest.Digest, 0, len(doc.Manifests))
	for _, m := range doc.Manifests {
		digests = append(digests, m.Digest)
	}
	return digests
}

// image returns an image manifest without subject; equal names give equal
// bytes.
func image(name string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",`+
		`"digest":%q,"size":2},"layers":[],"annotations":{"name":%q}}`, imageManifest, digest.FromString("{}"), name)
}

// referrer returns an artifact with a subject.
func referrer(name string, subject digest.Digest) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.%s",`+
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],`+
		`"subject":{"mediaType":%q,"digest":%q,"size":2}}`,
		imageManifest, name, digest.FromString("{}"), imageManifest, subject)
}

// indexOf returns an image index that lists manifests.
func indexOf(manifests ...[]byte) []byte {
	entries := make([]string, 0, len(manifests))
	for _, m := range manifests {
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, imageManifest, digest.FromBytes(m), len(m)))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, imageIndex, strings.Join(entries, ","))
}
