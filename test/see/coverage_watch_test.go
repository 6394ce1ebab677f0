package see

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Rules have the images counted, and changed ones are taken over: what is gone has no
// series any more.
func TestCoverageIsWatched(t *testing.T) {
	s := signing{t, t.TempDir(), ""}
	rules := func(text string) { s.write("backref.yaml", "coverage:\n  interval: 1s\n  rules: "+text+"\n") }
	rules(`[{name: all, repositories: ["**"], require: [sbom]}, {name: gone, repositories: [none], require: [sbom]}]`)
	registry := rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, registry.URL, "--config", filepath.Join(s.dir, "backref.yaml"), "--set", "upstream.service.anonymous=true")
	shown := func() string {
		resp, err := http.Get(backref.AdminURL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	shows := func(line string) {
		t.Helper()
		rig.Eventually(t, line, func() bool { return strings.Contains(shown(), line+"\n") })
	}
	s.write("config.json", `{"architecture":"amd64","os":"linux"}`)
	s.write("sbom.json", `{"spdxVersion":"SPDX-2.3"}`)
	s.run("oras", "push", "--plain-http", backref.Host+"/team/app:v1", "--config", "config.json:"+rig.ImageConfig, "sbom.json")
	shows(`backref_coverage_images{requirement="sbom",rule="all",state="missing"} 1`)
	s.run("oras", "attach", "--plain-http", "--artifact-type", "application/spdx+json", backref.Host+"/team/app:v1", "sbom.json")
	shows(`backref_coverage_images{requirement="sbom",rule="all",state="covered"} 1`)
	shows(`backref_coverage_images{requirement="sbom",rule="all",state="missing"} 0`)

	// A repository that is named and not there is a failure, and not a figure of 0.
	shows(`backref_coverage_last_success_timestamp_seconds{rule="gone"} 0`)
	if strings.Contains(shown(), `rule="gone",state=`) {
		t.Error("a rule that can't be counted has figures")
	}
	rules(`[{name: all, repositories: ["team/*"], require: [signature]}]`)
	if err := syscall.Kill(backref.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	shows(`backref_coverage_images{requirement="signature",rule="all",state="missing"} 1`)
	if got := shown(); strings.Contains(got, `rule="gone"`) || strings.Contains(got, `requirement="sbom",rule="all"`) {
		t.Error("what is asked for no more is shown still")
	}
}
