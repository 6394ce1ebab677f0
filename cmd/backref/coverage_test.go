package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// coverageServer is as a backref that tells of two images.
func coverageServer(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/prod/app/_oci/ext/discover", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"extensions":[{"name":"_backref"}]}`)
	})
	mux.HandleFunc("GET /v2/_catalog", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"repositories":["prod/app","test/app"]}`)
	})
	mux.HandleFunc("GET /v2/prod/app/_backref/coverage/images", func(w http.ResponseWriter, r *http.Request) {
		state := "missing"
		if r.URL.Query().Get("tag") == "v1" {
			state = "covered"
		}
		_, _ = fmt.Fprintf(w, `{"images":[{"tags":["v1"],"digest":"sha256:5a7a91ec61f7396e936696c51aa1eb1307363971cb6870b9c21a68c66fc3d67c","requirements":[`+
			`{"requirement":"signature","state":%q,"reason":"nothing of this kind is attached"}]}]}`, state)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	return strings.TrimPrefix(server.URL, "http://")
}

func runCoverage(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	code = run(t.Context(), append([]string{"coverage"}, args...), nil, &out, &err)
	return code, out.String(), err.String()
}

// Gaps are shown and make the exit code; a pattern goes over the catalog.
func TestCoverage(t *testing.T) {
	host := coverageServer(t)
	code, stdout, stderr := runCoverage(t, "--require", "signature", host+"/prod/**")
	if code != exitFailure || !strings.Contains(stdout, "prod/app:v1") || !strings.Contains(stdout, "signature: 0 covered, 1 missing") || !strings.Contains(stderr, "1 of 1 images lack something") {
		t.Errorf("%d\n%s%s", code, stdout, stderr)
	}
	for line := range strings.Lines(stdout) {
		if len(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
	if code, stdout, stderr := runCoverage(t, "--require", "signature", "--tag", "v1", host+"/prod/app"); code != 0 || strings.Contains(stdout, "IMAGE") {
		t.Errorf("%d\n%s%s", code, stdout, stderr)
	}
	for _, args := range [][]string{
		{}, {host + "/prod/app:v1"}, {"--require", "sbox", host + "/prod/app"}, {"--max-age", "1d", host + "/prod/app"}, {"--platform", "linux", host + "/prod/app"}, {"-o", "wide", host + "/prod/app"},
	} {
		if code, stdout, stderr := runCoverage(t, args...); code != exitUsage {
			t.Errorf("%v: %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if code, _, stderr := runCoverage(t, host+"/none/**"); code != exitFailure || !strings.Contains(stderr, "no repository that matches") {
		t.Errorf("%d %s", code, stderr)
	}
	if code, _, stderr := runCoverage(t, host+"/other"); code != exitFailure || !strings.Contains(stderr, "no backref answers there") {
		t.Errorf("%d %s", code, stderr)
	}
}

// A log has what code scanning asks for, and the same fingerprint for the same gap.
func TestCoverageSARIF(t *testing.T) {
	host := coverageServer(t)
	var before string
	for range 2 {
		_, stdout, stderr := runCoverage(t, "--require", "signature", "-o", "sarif", host+"/prod/app")
		var log sarifLog
		if err := json.Unmarshal([]byte(stdout), &log); err != nil {
			t.Fatal(err, stderr)
		}
		if log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != 1 || len(log.Runs[0].Tool.Driver.Rules) != 1 {
			t.Fatal(stdout)
		}
		result := log.Runs[0].Results[0]
		if uri := result.Locations[0].PhysicalLocation.ArtifactLocation.URI; !strings.HasSuffix(uri, "/prod/app/v1") || strings.Contains(uri, ":") {
			t.Error(uri)
		}
		mark := result.PartialFingerprints["backrefImageRequirement/v1"]
		if result.RuleID != "signature" || result.Level != "error" || result.Message.Text == "" || mark == "" || before != "" && mark != before {
			t.Error(stdout)
		}
		before = mark
	}
}
