package maintenance

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// probed is what was found of a registry.
type probed struct {
	Registry, Repository, Fault string
	Findings                    []struct{ Capability, Verdict, Request, Answer, Reason string }
	Left                        []string
}

func readProbed(t *testing.T, text []byte) probed {
	t.Helper()
	var p probed
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return p
}

// verdicts returns what is known, by capability.
func (p probed) verdicts() map[string]string {
	known := map[string]string{}
	for _, f := range p.Findings {
		if f.Verdict != "unknown" {
			known[f.Capability] = f.Verdict
		}
	}
	return known
}

// The command asks the registry itself, whatever backref makes up for, signed in as the
// service; with --write it leaves nothing.
func TestProbeCommand(t *testing.T) {
	users := rig.NewHtpasswd(t, "backref", "s3cret")
	registry := rig.NewRegistry(t, rig.Distribution2, users.RegistryConfig())
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	args := []string{"upstream", "probe", "--upstream", registry.URL,
		"--set", "upstream.service.username=backref", "--set", "upstream.service.passwordFile=" + password}
	out := rig.RunCommandLine(t, t.TempDir(), append(args, "--write", "probe/a", "--mount-from", "probe/b", "-o", "json")...)
	got := readProbed(t, []byte(out))
	want := map[string]string{
		"referrers": "no", "catalog": "yes", "tags.n": "no", "tags.last": "no", "tags.sorted": "no", "blobs.ranges": "yes",
		"blobs.ranges-416": "no", "tokens.lifetime": "no", "manifests.index": "yes", "manifests.artifact-type": "yes",
		"manifests.empty-config": "yes", "manifests.absent-subject": "yes", "manifests.sha512": "no", "manifests.if-match": "no",
		"manifests.if-none-match": "no", "blobs.sha512": "yes", "blobs.mount": "yes", "uploads.order-416": "no",
		"deletes.by-tag": "no", "deletes.by-digest": "yes", "deletes.untagged": "yes",
	}
	if !maps.Equal(got.verdicts(), want) || len(got.Left) != 0 || got.Repository != "probe/a" {
		t.Errorf("%+v", got)
	}
	if strings.Contains(out, "s3cret") {
		t.Errorf("shows the password: %s", out)
	}
	if shown := rig.RunCommandLine(t, t.TempDir(), append(args, "--repository", "probe/a")...); !strings.Contains(shown, "probe/a has no tags") || !strings.Contains(shown, "catalog ") {
		t.Errorf("%s", shown)
	}
	refused := rig.TryCommandLine(t, t.TempDir(), "upstream", "probe", "--upstream", registry.URL, "--set", "upstream.service.anonymous=true")
	if refused.Err == nil || !strings.Contains(refused.Stderr, "upstream.service") {
		t.Errorf("without credentials: %+v", refused)
	}
}

// A server finds out at its start what it may, by reading alone, says so in one line,
// and asks again when it is told to.
func TestServerKnowsItsRegistry(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	relay := rig.NewRelay(t, registry.URL)
	prepare(t, registry.URL, "app")
	b := rig.NewBackref(t, relay.URL, "--set", "upstream.service.anonymous=true")
	ask := func(method string) probed {
		return readProbed(t, rig.Do(t, method, b.AdminURL+"/admin/upstream", nil).Want(t, http.StatusOK).Body)
	}
	var lines []string
	rig.Eventually(t, "the registry is asked at the start, and that is logged", func() bool {
		lines = slices.DeleteFunc(slices.Clone(b.Log()), func(line string) bool { return !strings.Contains(line, "what the upstream registry can do") })
		return len(lines) > 0 && ask(http.MethodGet).Repository == "app"
	})
	if len(lines) != 1 || !strings.Contains(lines[0], `"no":["referrers"`) {
		t.Errorf("logged %q", lines)
	}
	for _, line := range relay.Seen() {
		if method, _, _ := strings.Cut(line, " "); method != http.MethodGet && method != http.MethodHead {
			t.Errorf("sent %s", line)
		}
	}
	if got := ask(http.MethodPost); got.verdicts()["referrers"] != "no" || got.Registry != relay.URL {
		t.Errorf("%+v", got)
	}
	if asked := strings.Join(relay.Seen(), "\n"); strings.Count(asked, "/v2/_catalog") != 1 {
		t.Errorf("asked again: %s", asked)
	}
}

// Without credentials of its own a server asks nothing by itself.
func TestServerMayNotAsk(t *testing.T) {
	relay := rig.NewRelay(t, rig.NewRegistry(t, rig.Distribution3).URL)
	b := rig.NewBackref(t, relay.URL)
	got := readProbed(t, rig.Do(t, http.MethodPost, b.AdminURL+"/admin/upstream", nil).Want(t, http.StatusOK).Body)
	if len(got.verdicts()) != 0 || !strings.Contains(got.Findings[0].Reason, "upstream.service is not set") {
		t.Errorf("%+v", got)
	}
	if asked := strings.Join(relay.Seen(), "\n"); strings.Contains(asked, "_catalog") {
		t.Errorf("asked %s", asked)
	}
}
