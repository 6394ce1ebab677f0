package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// value returns what a series has in the metrics of a server; empty where it is not
// there.
func value(t *testing.T, s *running, series string) string {
	t.Helper()
	status, text := get(http.DefaultClient, "http://"+s.admin.Addr().String()+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", status, text)
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (.*)$`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

// A push whose outcome nobody knows is shown where nobody settles it: without an
// account of the service. The registry's answers are counted, as is the time until
// the certificate of the listener expires.
func TestMetricsWithoutAService(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(registry.Close)
	cfg := configFor(t, registry.URL)
	files, trust := certificate(t)
	cfg.Server.TLS = files
	s := start(t, cfg)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}}}
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/x",` +
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],` +
		`"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+s.front.Addr().String()+"/v2/app/manifests/v1", strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode < http.StatusInternalServerError {
		t.Fatalf("pushed: %d", resp.StatusCode)
	}
	for series, want := range map[string]string{
		`backref_intents_open`: "1",
		`backref_upstream_requests_total{kind="manifests",status="5xx"}`:                                         "1",
		`backref_request_body_bytes_total{endpoint="manifests"}`:                                                 fmt.Sprint(len(manifest)),
		`backref_certificate_expiry_timestamp_seconds{use="server"}`:                                             fmt.Sprintf("%g", expirySeconds(t, files)),
		`backref_maintenance_running{work="rebuild"}`:                                                            "0",
		`backref_index_operation_errors_total{operation="begin"}`:                                                "0",
		`backref_requests_total{endpoint="manifests",method="PUT",status="` + fmt.Sprint(resp.StatusCode) + `"}`: "1",
	} {
		if got := value(t, s, series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func expirySeconds(t *testing.T, files config.ServerTLS) float64 {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return float64(expires(&pair).Truncate(time.Second).Unix())
}

// A rebuild that ends is counted, with when it ended well.
func TestMetricsOfMaintenance(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/_catalog" {
			_, _ = io.WriteString(w, `{"repositories":[]}`)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(registry.Close)
	cfg := configFor(t, registry.URL)
	cfg.Upstream.Service.Anonymous = true
	s := start(t, cfg)
	for _, work := range []string{"rebuild", "verify"} {
		resp, err := http.Post("http://"+s.admin.Addr().String()+"/admin/"+work, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := value(t, s, `backref_maintenance_runs_total{result="success",work="`+work+`"}`); got != "1" {
			t.Errorf("%s: %q ended well\n%s", work, got, body)
		}
		if got := value(t, s, `backref_maintenance_last_success_timestamp_seconds{work="`+work+`"}`); got == "0" || got == "" {
			t.Errorf("%s ended well at %q", work, got)
		}
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}
