package faults

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/proxy/admin"
	"github.com/backref/backref/test/rig"
)

// partOf returns a part of what /readyz?verbose answers.
func partOf(t *testing.T, got rig.Reply, name string) admin.Part {
	t.Helper()
	var answer struct{ Parts []admin.Part }
	if err := json.Unmarshal(got.Body, &answer); err != nil {
		t.Fatalf("%v: %s", err, got.Body)
	}
	for _, part := range answer.Parts {
		if part.Name == name && !part.Since.IsZero() {
			return part
		}
	}
	t.Fatalf("no part %s: %s", name, got.Body)
	return admin.Part{}
}

// The registry goes and comes: the log and the metric say so, and readiness where
// that is wanted.
func TestRegistryGoesAndComes(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	start := func(more ...string) *rig.Backref {
		return rig.NewBackref(t, registry.URL, append([]string{"--set", "upstream.checkInterval=50ms", "--set", "log.delay=0"}, more...)...)
	}
	plain, following := start(), start("--set", "admin.readyUpstream=true")
	status := func(b *rig.Backref) int { return rig.Do(t, http.MethodGet, b.AdminURL+"/readyz", nil).Status }
	up := func(b *rig.Backref, value string) bool {
		text := string(rig.Do(t, http.MethodGet, b.AdminURL+"/metrics", nil).Want(t, http.StatusOK).Body)
		return strings.Contains(text, "\nbackref_upstream_up "+value+"\n")
	}
	waitFor(t, "ready", func() bool { return up(plain, "1") && up(following, "1") && status(following) == http.StatusOK })

	registry.Kill()
	waitFor(t, "the registry found missing", func() bool {
		return up(plain, "0") && up(following, "0") && status(following) == http.StatusServiceUnavailable
	})
	if got := status(plain); got != http.StatusOK {
		t.Errorf("readiness is not about the registry, and is %d", got)
	}
	for b, required := range map[*rig.Backref]bool{plain: false, following: true} {
		part := partOf(t, rig.Do(t, http.MethodGet, b.AdminURL+"/readyz?verbose", nil), "upstream")
		if part.OK || part.Required != required || !strings.Contains(part.Message, "upstream.url") {
			t.Errorf("%+v", part)
		}
	}
	rig.Do(t, http.MethodGet, following.AdminURL+"/readyz?exclude=upstream", nil).Want(t, http.StatusOK)

	registry.Restart()
	waitFor(t, "the registry found again", func() bool {
		return up(plain, "1") && up(following, "1") && status(following) == http.StatusOK
	})
	log := strings.Join(plain.Log(), "\n")
	for _, line := range []string{"the upstream registry can be used\"", `"reason":"refused"`, `"mend":"nobody listens at upstream.url`, "can be used again"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %s", line)
		}
	}
}
