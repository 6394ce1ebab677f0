package upstream_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/backref/backref/upstream"
)

// New authorities count for what is asked after they were applied; wrong ones
// leave the way as it was.
func TestPrepareReadsTheAuthoritiesAgain(t *testing.T) {
	registry := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer registry.Close()
	base, err := url.Parse(registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	r, err := upstream.New(upstream.Options{URL: base})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reached := func() bool {
		resp, err := r.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/", nil))
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	}
	if reached() {
		t.Fatal("a registry that nobody vouches for is trusted")
	}
	speak := upstream.TLS{CAFile: file}
	if _, err := r.Prepare(upstream.Service{}, speak); err == nil {
		t.Error("a file that is missing is taken")
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: registry.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	apply, err := r.Prepare(upstream.Service{}, speak)
	if err != nil {
		t.Fatal(err)
	}
	if reached() {
		t.Error("it counts before it is applied")
	}
	apply()
	if !reached() {
		t.Error("the authorities don't count")
	}
	if err := os.WriteFile(file, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Prepare(upstream.Service{}, speak); err == nil || !reached() {
		t.Errorf("a wrong file: %v, reached %t", err, reached())
	}
}
