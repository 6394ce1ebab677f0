package maintenance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/test/rig"
)

// keepOne are rules by which one referrer of each image stays.
const keepOne = `retention.rules=[{name: one, repositories: ["**"], keep: {newest: 1}}]`

// crowd pushes n repositories with an image and three referrers each, of which two go
// by keepOne.
func crowd(t *testing.T, backref *rig.Backref, n int) {
	t.Helper()
	for i := range n {
		repository := fmt.Sprintf("app%02d", i)
		attached(t, backref.URL, repository, prepare(t, backref.URL, repository), 3)
	}
}

// A registry that deletes nothing, by its configuration, ends a run at the first
// delete, with an error that says what to do, and nothing is half done.
func TestRetentionNeedsDeletes(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewKeepingRegistry(t, version)
		relay := rig.NewRelay(t, registry.URL)
		backref := rig.NewBackref(t, relay.URL, append([]string{"--set", keepOne}, quick...)...)
		image := prepare(t, backref.URL, "app")
		attached(t, backref.URL, "app", image, 5)
		tags := rig.Tags(t, registry.URL, "app")
		relay.Seen()
		c := backref.Try(t, "retain")
		if c.Err == nil || !strings.Contains(c.Stderr, "the registry deletes no manifests; allow that in its configuration") {
			t.Errorf("%v: %s", c.Err, c.Stderr)
		}
		deletes := 0
		for _, request := range relay.Seen() {
			if strings.HasPrefix(request, http.MethodDelete) {
				deletes++
			}
		}
		if deletes != 1 {
			t.Errorf("%d deletes were tried, want 1", deletes)
		}
		wantListed(t, backref, "app", image.Digest(), 5)
		if after := rig.Tags(t, registry.URL, "app"); fmt.Sprint(after) != fmt.Sprint(tags) {
			t.Errorf("tags %v, before %v", after, tags)
		}
		if open := backref.Run(t, "index", "intents"); open != "" {
			t.Errorf("intents are left: %s", open)
		}
	})
}

// What goes is counted before anything does: too much is an error, and goes with --yes.
// Without credentials, or rules, nothing is looked at.
func TestRetentionAsksFirst(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution3)
	backref := rig.NewBackref(t, registry.URL, append([]string{"--set", keepOne, "--set", "retention.maxPerRun=5", "--set", "retention.rate=1000"}, quick...)...)
	crowd(t, backref, 3)
	c := backref.Try(t, "retain")
	if d := readDecided(t, c.Stdout); c.Err == nil || !strings.Contains(c.Stderr, "6, and 5 may go") || !strings.Contains(c.Stderr, "--yes") || d.report.Removed != 0 {
		t.Errorf("%v: %s %+v", c.Err, c.Stderr, d.report)
	}
	if d := retain(t, backref, reconcile.RetainOptions{Repositories: []string{"app0*"}, Yes: true}); d.report.Removed != 6 || d.report.Repositories != 3 {
		t.Errorf("with yes: %+v", d.report)
	}
	for what, settings := range map[string][]string{
		"upstream.service: is needed": {"--set", keepOne, "--set", "upstream.service.anonymous=false"},
		"retention.rules is empty":    {"--set", "upstream.service.anonymous=true", "--set", "retention.rules=[]"},
	} {
		without := rig.NewBackref(t, registry.URL, settings...)
		if c := without.Try(t, "retain", "--dry-run"); c.Err == nil || !strings.Contains(c.Stderr, what) {
			t.Errorf("want %q: %v %s", what, c.Err, c.Stderr)
		}
	}
}

// A run at the index itself leaves a record of each delete there.
func TestRetentionIsAuditedWithoutAServer(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution3)
	backref := rig.NewBackref(t, registry.URL, append([]string{"--set", keepOne}, quick...)...)
	crowd(t, backref, 1)
	backref.Stop()
	backref.Run(t, "retain")
	if records := backref.Run(t, "audit", "--outcome", "deleted", "-o", "json"); strings.Count(records, `"action": "retain"`) != 2 {
		t.Errorf("the audit has %s", records)
	}
}

// A run of the schedule that the server is killed in is gone on with: what went before
// is not looked for again, and all that goes is gone at the end.
func TestRetentionGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution3)
	relay := rig.NewRelay(t, registry.URL)
	// Hidden tags need no place here.
	settings := append([]string{"--set", "retention.rate=1000", "--set", "referrers.hiddenTags=false", "--set", "reconcile.verifyInterval=0"}, quick...)
	backref := rig.NewBackref(t, relay.URL, settings...)
	const repositories = 6
	crowd(t, backref, repositories)
	var deletes atomic.Int32
	killed := make(chan struct{})
	relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete || deletes.Add(1) != 6 {
			return false
		}
		close(killed)
		<-r.Context().Done()
		return true
	})
	// What the last pushes were is in the index then.
	backref.Stop()
	backref.Restart("--set", keepOne, "--set", "retention.interval=1h")
	<-killed
	backref.Kill()
	relay.Before(nil)
	relay.Seen()
	backref.Restart()
	rig.Eventually(t, "all are gone that go", func() bool {
		left := 0
		for i := range repositories {
			repository := fmt.Sprintf("app%02d", i)
			left += len(rig.Listing(t, backref.URL, repository, rig.Image(repository).Digest()))
		}
		return left == repositories
	})
	rig.Eventually(t, "the run has ended", func() bool {
		return strings.Contains(strings.Join(backref.Log(), "\n"), `"message":"retention ended"`)
	})
	log := strings.Join(backref.Log(), "\n")
	if !strings.Contains(log, `"resumed":true`) {
		t.Errorf("the run was not gone on with:\n%s", log)
	}
	metrics := string(rig.Do(t, http.MethodGet, backref.AdminURL+"/metrics", nil).Body)
	for _, line := range []string{`backref_retention_runs_total{result="success"} 1`, "backref_retention_running 0"} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// A run is stopped by the admin API; what is being deleted is carried to its end, and
// nothing after it goes. There is no second run beside it.
func TestRetentionIsStopped(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution2)
	relay := rig.NewRelay(t, registry.URL)
	backref := rig.NewBackref(t, relay.URL, append(slices.Clone(quick), "--set", keepOne, "--set", "retention.rate=1000", "--set", "referrers.hiddenTags=false",
		"--set", "upstream.timeouts.responseHeader=1m")...)
	crowd(t, backref, 2)
	reached, goOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && first.CompareAndSwap(false, true) {
			close(reached)
			<-goOn
		}
		return false
	})
	ended := make(chan rig.Command, 1)
	go func() { ended <- backref.Try(t, "retain") }()
	<-reached
	if c := backref.Try(t, "retain", "--dry-run"); c.Err == nil || !strings.Contains(c.Stderr, "a run of retention is under way already") {
		t.Errorf("a second run: %v %s", c.Err, c.Stderr)
	}
	if answer := rig.Do(t, http.MethodPost, backref.AdminURL+"/admin/retain/stop", nil).Want(t, http.StatusOK); !strings.Contains(string(answer.Body), "true") {
		t.Errorf("stop: %s", answer.Body)
	}
	close(goOn)
	c := <-ended
	if d := readDecided(t, c.Stdout); c.Err == nil || !strings.Contains(c.Stderr, "the run was stopped") || d.report.Removed != 1 {
		t.Errorf("%v %s: %+v", c.Err, c.Stderr, d.report)
	}
	if d := retain(t, backref, reconcile.RetainOptions{}); d.report.Removed != 3 {
		t.Errorf("the next run: %+v", d.report)
	}
}
