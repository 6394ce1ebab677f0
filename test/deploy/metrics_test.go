package deploy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/backref/backref/test/rig"
)

// metricTexts returns the metrics of running backrefs, one with its index in a file
// and one with a database. They have all that can be switched on, and had a
// request of each kind that is counted apart.
func metricTexts(t *testing.T) []string {
	t.Helper()
	registry := rig.NewRegistry(t, rig.Distribution2)
	secure := httptest.NewTLSServer(reverseProxy(t, registry.URL))
	t.Cleanup(secure.Close)
	certificate, key := clientCertificate(t)
	authority := writeFile(t, filepath.Join(t.TempDir(), "ca.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	secret := writeFile(t, filepath.Join(t.TempDir(), "secret"), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	options := []string{
		"--set", "notices.webhooks=[{name: scans, url: 'http://127.0.0.1:1', secretFile: '" + secret + "'}]",
		"--set", `coverage.rules=[{name: all, repositories: ["**"], require: [signature]}]`,
		"--set", "upstream.service.anonymous=true", "--set", "referrers.fallbackTags=mirror",
		"--set", "upstream.tls.caFile=" + authority, "--set", "upstream.tls.certFile=" + certificate, "--set", "upstream.tls.keyFile=" + key,
		"--set", "auth.mode=service", "--set", `auth.rules=[{repositories: ["**"], anonymous: true, allow: [admin]}]`,
	}
	var texts []string
	for _, backref := range []*rig.Backref{
		rig.NewBackref(t, secure.URL, options...),
		rig.NewReplica(t, secure.URL, rig.NewPostgres(t, false), options...),
	} {
		image := rig.Image("image")
		rig.PushBlob(t, backref.URL, "app", "{}")
		rig.Push(t, backref.URL, "app", "v1", image)
		rig.Push(t, backref.URL, "app", "", rig.Artifact("application/spdx+json", "sbom", image.Descriptor()))
		if listed := rig.Listing(t, backref.URL, "app", image.Digest()); len(listed) != 1 {
			t.Errorf("%d referrers are listed, not 1", len(listed))
		}
		texts = append(texts, scrape(t, backref))
	}
	return texts
}

// reverseProxy leads to a registry.
func reverseProxy(t *testing.T, to string) http.Handler {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}}
}

// scrape returns the metrics of a backref, once it has counted its index and images.
func scrape(t *testing.T, backref *rig.Backref) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		text := string(rig.Do(t, http.MethodGet, backref.AdminURL+"/metrics", nil).Want(t, http.StatusOK).Body)
		if strings.Contains(text, "\nbackref_index_records") && strings.Contains(text, "\nbackref_coverage_images") || time.Now().After(deadline) {
			return text
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// clientCertificate writes a certificate and its key to files.
func clientCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return writeFile(t, filepath.Join(dir, "tls.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}))),
		writeFile(t, filepath.Join(dir, "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
}

// The metrics of a running backref keep to the conventions of Prometheus, and
// docs/metrics.md lists them.
func TestMetricsAreListed(t *testing.T) {
	families := map[string]*dto.MetricFamily{}
	for _, text := range metricTexts(t) {
		wantConventional(t, text)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		found, err := parser.TextToMetricFamilies(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for name, family := range found {
			if strings.HasPrefix(name, "backref_") {
				families[name] = family
			}
		}
	}
	path := filepath.Join(rig.Root(t), "docs/metrics.md")
	before, table, listed := strings.Cut(readFile(t, path), "| metric |")
	if !listed {
		t.Fatal("docs/metrics.md has no table of metrics")
	}
	want := metricsTable(families)
	if *update {
		if err := os.WriteFile(path, []byte(before+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if "| metric |"+table != want {
		t.Errorf("docs/metrics.md does not list what a server shows: go test ./test/deploy -run MetricsAreListed -update\n%s", want)
	}
}

// wantConventional runs the linters of Prometheus, that of the command line and that
// of the client library, which also knows the names of units.
func wantConventional(t *testing.T, text string) {
	t.Helper()
	check := exec.CommandContext(t.Context(), rig.Tool(t, "promtool"), "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool on the metrics: %v\n%s", err, output)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// metricsTable is the table of docs/metrics.md.
func metricsTable(families map[string]*dto.MetricFamily) string {
	var table bytes.Buffer
	fmt.Fprint(&table, "| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		family := families[name]
		labels := map[string]bool{}
		for _, series := range family.Metric {
			for _, label := range series.Label {
				labels["`"+label.GetName()+"`"] = true
			}
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(family.GetType().String()),
			strings.Join(slices.Sorted(maps.Keys(labels)), ", "), family.GetHelp())
	}
	return table.String()
}
