package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// lines are what a server logs, one JSON object each. It may be written to and
// read at once.
type lines struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

// with returns the lines with a message.
func (l *lines) with(t *testing.T, message string) []map[string]any {
	t.Helper()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var found []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(l.text.String()), "\n") {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err == nil && fields["message"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// sbomRegistry has one manifest of the repository a, an SBOM with the tag sbom.
func sbomRegistry(t *testing.T) (at *httptest.Server, manifest []byte) {
	t.Helper()
	manifest = []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/spdx+json",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"` + digest.FromString("{}").String() + `","size":2},"layers":[]}`)
	at = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/a/manifests/sbom", "/v2/a/manifests/" + digest.FromBytes(manifest).String():
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", digest.FromBytes(manifest).String())
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			_, _ = w.Write(manifest)
		case "/v2/":
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(at.Close)
	return at, manifest
}

// imagesByRuntime adds the listener runtime, which serves images only.
func imagesByRuntime(cfg *config.Config) {
	cfg.Server.Listeners = []config.Listener{{Name: "runtime", Listen: "127.0.0.1:0"}}
	cfg.Artifacts.Rules = []config.ArtifactRule{{
		Name: "runtime-images", Repositories: []string{"**"}, Actions: []string{"pull"}, Listeners: []string{"runtime"}, Allow: []string{"images"},
	}}
}

// A further listener is served as the main one, but for the rules that go by its
// name, and the log says by which a request came.
func TestFurtherListeners(t *testing.T) {
	t.Parallel()
	registry, _ := sbomRegistry(t)
	cfg := configFor(t, registry.URL)
	cfg.Log.Delay = 0
	imagesByRuntime(&cfg)
	log := &lines{}
	s := startLogging(t, cfg, log)
	path := "/v2/a/manifests/sbom"
	if status, body := get(http.DefaultClient, "http://"+s.front.Addr().String()+path); status != http.StatusOK {
		t.Errorf("main: status %d: %s", status, body)
	}
	runtime := "http://" + s.further[0].Addr().String()
	if status, body := get(http.DefaultClient, runtime+path); status != http.StatusForbidden || !strings.Contains(body, "rule runtime-images") {
		t.Errorf("runtime: status %d: %s", status, body)
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
	if status, _ := get(http.DefaultClient, runtime+path); status != 0 {
		t.Errorf("runtime is served still: status %d", status)
	}
	by := map[any]float64{}
	for _, line := range log.with(t, "request") {
		by[line["listener"]], _ = line["status"].(float64)
	}
	if by[nil] != http.StatusOK || by["runtime"] != http.StatusForbidden {
		t.Errorf("requests by listener: %v", by)
	}
	for _, line := range log.with(t, "serving") {
		if at, _ := line["listeners"].(map[string]any); at["runtime"] != strings.TrimPrefix(runtime, "http://") {
			t.Errorf("serving: %v", line)
		}
	}
}

// Further listeners let requests under way finish.
func TestFurtherListenersAreDrained(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	registry, arrived, _ := slowRegistry(t, release)
	defer registry.Close()
	cfg := configFor(t, registry.URL)
	cfg.Server.Listeners = []config.Listener{{Name: "runtime", Listen: "127.0.0.1:0"}}
	s := start(t, cfg)
	answered := make(chan int, 1)
	go func() {
		status, _ := get(http.DefaultClient, "http://"+s.further[0].Addr().String()+"/v2/")
		answered <- status
	}()
	<-arrived
	s.stop()
	eventually(t, "the listener takes no connections", func() bool {
		connection, err := net.DialTimeout("tcp", s.further[0].Addr().String(), time.Second)
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	})
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

// They speak TLS by the certificates of server.tls, renewed ones too, and by none
// where an address is taken.
func TestFurtherListenersSpeakTLS(t *testing.T) {
	t.Parallel()
	registry, _ := sbomRegistry(t)
	dir := t.TempDir()
	pair := issue(t, dir, 1)
	cfg := configFor(t, registry.URL)
	cfg.Server.TLS.CertFile, cfg.Server.TLS.KeyFile = pair.cert, pair.key
	cfg.Server.Listeners = []config.Listener{{Name: "runtime", Listen: "127.0.0.1:0"}}
	s := start(t, cfg)
	serial := func() int64 {
		connection, err := tls.Dial("tcp", s.further[0].Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		return connection.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	next := issue(t, t.TempDir(), 2)
	for from, to := range map[string]string{next.cert: pair.cert, next.key: pair.key} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, string(content))
	}
	eventually(t, "the renewed certificate is shown", func() bool { return serial() == 2 })
	taken := configFor(t, registry.URL)
	taken.Server.Listeners = []config.Listener{{Name: "runtime", Listen: s.front.Addr().String()}}
	if _, err := newServer(t.Context(), taken, &lines{}); err == nil || !strings.HasPrefix(err.Error(), "server.listeners[0].listen: ") {
		t.Error(err)
	}
}
