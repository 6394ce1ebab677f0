package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/upstream"
)

const (
	benchmarkRepository = "library/benchmark"
	benchmarkManifest   = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`
)

// cannedRegistry answers whatever it is asked with one manifest. It allocates
// nothing for an answer, so that what is counted is the proxy's.
func cannedRegistry(b *testing.B) *url.URL {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\nDocker-Content-Digest: %s\r\n"+
		"Docker-Distribution-Api-Version: registry/2.0\r\nEtag: \"%[3]s\"\r\nX-Content-Type-Options: nosniff\r\nDate: Mon, 01 Jun 2026 00:00:00 GMT\r\n\r\n",
		oci.MediaTypeImageManifest, len(benchmarkManifest), digest.FromString(benchmarkManifest))
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serveCanned(connection, answer)
		}
	}()
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}
}

// serveCanned answers each request of a connection; none has a body.
func serveCanned(connection net.Conn, head []byte) {
	defer func() { _ = connection.Close() }()
	whole := slices.Concat(head, []byte(benchmarkManifest))
	requests := bufio.NewReader(connection)
	method := byte(0)
	for {
		line, err := requests.ReadSlice('\n')
		if err != nil {
			return
		}
		if method == 0 {
			method = line[0]
		}
		if len(line) > len("\r\n") {
			continue
		}
		answer := whole
		if method == 'H' {
			answer = head
		}
		if _, err := connection.Write(answer); err != nil {
			return
		}
		method = 0
	}
}

// benchmarkProxy returns a proxy with metrics, logs and the given caches, and
// an index with as many referrers of the canned manifest as given.
func benchmarkProxy(b *testing.B, referrers int, cache config.Cache) *proxy.Proxy {
	b.Helper()
	store, err := bolt.Open(filepath.Join(b.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	for i := range referrers {
		if err := store.Observe(b.Context(), 0, benchmarkReferrer(i)); err != nil {
			b.Fatal(err)
		}
	}
	cfg := config.Default()
	cfg.Upstream.URL, cfg.Cache = cannedRegistry(b), cache
	// The canned registry has no tags: it would answer a manifest.
	cfg.Referrers.FallbackTags = config.FallbackOff
	behind, err := upstream.New(upstream.Options{URL: cfg.Upstream.URL})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(behind.Close)
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel))
	door, err := options.Proxy(cfg, store, behind, log)
	if err != nil {
		b.Fatal(err)
	}
	door.Registry.Metrics, door.Access = prometheus.NewRegistry(), log
	p, err := proxy.New(door)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func benchmarkReferrer(number int) index.Record {
	artifactType := "application/vnd.in-toto+json"
	if number%2 == 0 {
		artifactType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	}
	return index.Record{
		Repository: benchmarkRepository,
		Manifest: index.Manifest{
			Digest: digest.FromString(fmt.Sprint("referrer ", number)), MediaType: oci.MediaTypeImageManifest, Size: 700, ArtifactType: artifactType,
			Annotations: map[string]string{
				"org.opencontainers.image.created": "2026-01-01T00:00:00Z",
				"dev.sigstore.bundle.content":      "dsse-envelope",
				"org.example.build":                fmt.Sprint("build ", number),
			},
			Edges: []index.Edge{{Kind: index.EdgeSubject, Target: digest.FromString(benchmarkManifest)}},
		},
		Seen: time.Unix(1_750_000_000, 0),
	}
}

// countingWriter is a response that is thrown away.
type countingWriter struct {
	header http.Header
	status int
	bytes  int64
}

func (w *countingWriter) Header() http.Header { return w.header }

func (w *countingWriter) WriteHeader(status int) { w.status = status }

func (w *countingWriter) Write(body []byte) (int, error) {
	w.bytes += int64(len(body))
	return len(body), nil
}

func (w *countingWriter) Flush() {}

func benchmarkRequest(method, target string) *http.Request {
	request := httptest.NewRequestWithContext(context.Background(), method, target, http.NoBody)
	request.Header.Set("User-Agent", "containerd/2.1.0")
	request.Header.Set("Accept", oci.MediaTypeImageManifest+", "+oci.MediaTypeImageIndex)
	return request
}

// benchmarkRequests serves the same request over and over. The answer has to
// have the given length.
func benchmarkRequests(b *testing.B, handler http.Handler, method, target string, length int64) {
	b.Helper()
	request := benchmarkRequest(method, target)
	w := &countingWriter{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		w.bytes = 0
		handler.ServeHTTP(w, request)
		if w.status != http.StatusOK || w.bytes != length {
			b.Fatalf("status %d with %d bytes, want 200 with %d", w.status, w.bytes, length)
		}
	}
}

// BenchmarkReferrers answers a listing from the index or the cache of pages,
// the client's permission remembered.
func BenchmarkReferrers(b *testing.B) {
	for _, entries := range []int{1, 10, 100, 1000} {
		target := "/v2/" + benchmarkRepository + "/referrers/" + digest.FromString(benchmarkManifest).String()
		for _, query := range []struct{ name, parameters string }{
			{"all", ""}, {"filtered", "?artifactType=" + url.QueryEscape("application/vnd.in-toto+json")}, {"paged", fmt.Sprintf("?n=%d", max(1, entries/10))},
		} {
			for _, kept := range []config.Size{0, 64 << 20} {
				b.Run(fmt.Sprintf("entries=%d/%s/cache=%d", entries, query.name, kept), func(b *testing.B) {
					p := benchmarkProxy(b, entries, config.Cache{Pages: kept})
					benchmarkRequests(b, p, http.MethodGet, target+query.parameters, listingLength(b, p, target+query.parameters))
				})
			}
		}
	}
}

// listingLength returns how many bytes a listing has, which has to be one.
func listingLength(b *testing.B, p *proxy.Proxy, target string) int64 {
	b.Helper()
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), http.MethodGet, target, http.NoBody))
	if recorder.Code != http.StatusOK || !json.Valid(recorder.Body.Bytes()) {
		b.Fatalf("listing: status %d: %s", recorder.Code, recorder.Body)
	}
	return int64(recorder.Body.Len())
}

// BenchmarkManifest passes a small manifest through, or takes it from the cache.
func BenchmarkManifest(b *testing.B) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		length := int64(len(benchmarkManifest))
		if method == http.MethodHead {
			length = 0
		}
		for _, by := range []struct{ name, reference string }{{"tag", "latest"}, {"digest", digest.FromString(benchmarkManifest).String()}} {
			for _, kept := range []config.Size{0, 64 << 20} {
				b.Run(fmt.Sprintf("%s/by=%s/cache=%d", method, by.name, kept), func(b *testing.B) {
					p := benchmarkProxy(b, 0, config.Cache{Manifests: kept, ManifestTTL: time.Hour})
					target := "/v2/" + benchmarkRepository + "/manifests/" + by.reference
					// The cache is filled by GET alone.
					p.ServeHTTP(httptest.NewRecorder(), benchmarkRequest(http.MethodGet, target))
					benchmarkRequests(b, p, method, target, length)
				})
			}
		}
	}
}
