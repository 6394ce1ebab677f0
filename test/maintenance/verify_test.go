package maintenance

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// verified is the result of a verification.
type verified struct {
	Records, Manifests, Missing, Unknown, Wrong, Fixed, Failed int
}

// What was pushed and deleted past the proxy is found, and mended when asked.
func TestVerify(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL, quick...)
		image := prepare(t, backref.URL, "app")
		referrers := attached(t, backref.URL, "app", image, 4)
		if got := report[verified](t, backref.Run(t, "index", "verify"), "verification"); got.Records != 5 || got.Missing+got.Unknown != 0 {
			t.Errorf("in the beginning: %+v", got)
		}
		rig.Do(t, http.MethodDelete, registry.URL+"/v2/app/manifests/"+referrers[0].Digest().String(), nil).Want(t, http.StatusAccepted)
		tagged := rig.Artifact("application/vnd.example.tagged", "tagged", image.Descriptor())
		rig.Push(t, registry.URL, "app", "tagged", tagged).Want(t, http.StatusCreated)

		found := backref.Try(t, "index", "verify")
		if found.Err == nil {
			t.Error("differences are not an error")
		}
		if got := report[verified](t, found.Stdout, "verification"); got.Missing != 1 || got.Unknown != 1 || got.Fixed != 0 {
			t.Errorf("found %+v", got)
		}
		if !strings.Contains(found.Stdout, referrers[0].Digest().String()) || !strings.Contains(found.Stdout, tagged.Digest().String()) {
			t.Errorf("the differences are not named: %s", found.Stdout)
		}
		if got := report[verified](t, backref.Run(t, "index", "verify", "--fix"), "verification"); got.Fixed != 2 {
			t.Errorf("fixed %+v", got)
		}
		if got := report[verified](t, backref.Run(t, "index", "verify"), "verification"); got.Missing+got.Unknown != 0 {
			t.Errorf("in the end: %+v", got)
		}
		wantListed(t, backref, "app", image.Digest(), 4)
	})
}

// A record that says something else than its manifest is found, and replaced
// when asked. It keeps when it was first seen.
func TestVerifyWrongRecords(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	origin := rig.NewBackref(t, registry.URL, quick...)
	image := prepare(t, origin.URL, "app")
	other := rig.Image("other")
	rig.Push(t, origin.URL, "app", "v2", other).Want(t, http.StatusCreated)
	moved := rig.Artifact("application/vnd.example.right", "moved", image.Descriptor())
	rig.Push(t, origin.URL, "app", "moved", moved).Want(t, http.StatusCreated)
	retyped := rig.Artifact("application/vnd.example.right", "retyped", image.Descriptor())
	rig.Push(t, origin.URL, "app", "retyped", retyped).Want(t, http.StatusCreated)
	right := origin.Run(t, "index", "export")

	// The doctored records have another subject, or another artifact type.
	var wrong strings.Builder
	for line := range strings.Lines(right) {
		switch {
		case strings.Contains(line, `"digest":"`+moved.Digest().String()):
			line = strings.ReplaceAll(line, image.Digest().String(), other.Digest().String())
		case strings.Contains(line, `"digest":"`+retyped.Digest().String()):
			line = strings.ReplaceAll(line, "example.right", "example.wrong")
		}
		wrong.WriteString(line)
	}
	backref := rig.NewBackref(t, registry.URL, quick...)
	if got := backref.TryInput(t, wrong.String(), "index", "import"); got.Err != nil {
		t.Fatalf("import: %v: %s", got.Err, got.Stderr)
	}
	wantListed(t, backref, "app", other.Digest(), 1)

	found := backref.Try(t, "index", "verify")
	if found.Err == nil {
		t.Error("differences are not an error")
	}
	if got := report[verified](t, found.Stdout, "verification"); got.Wrong != 2 || got.Fixed != 0 || got.Missing+got.Unknown != 0 {
		t.Errorf("found %+v", got)
	}
	if backref.Run(t, "index", "export") == right {
		t.Error("the index was mended unasked")
	}
	if got := report[verified](t, backref.Run(t, "index", "verify", "--fix"), "verification"); got.Wrong != 2 || got.Fixed != 2 {
		t.Errorf("fixed %+v", got)
	}
	if got := backref.Run(t, "index", "export"); got != right {
		t.Errorf("mended\n%s\nwant\n%s", got, right)
	}
	wantListed(t, backref, "app", image.Digest(), 2)
	wantListed(t, backref, "app", other.Digest(), 0)
	backref.Run(t, "index", "verify")
}

// The server does the same slowly by itself.
func TestPatrol(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, registry.URL, append([]string{"--set", "reconcile.verifyInterval=500ms"}, quick...)...)
	image := prepare(t, backref.URL, "app")
	referrers := attached(t, backref.URL, "app", image, 3)
	rig.Do(t, http.MethodDelete, registry.URL+"/v2/app/manifests/"+referrers[0].Digest().String(), nil).Want(t, http.StatusAccepted)
	rig.Eventually(t, "the deleted referrer is dropped", func() bool {
		return len(rig.Listing(t, backref.URL, "app", image.Digest())) == 2
	})
}

// A push whose answer was lost is settled without any reader.
func TestSettler(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	relay := rig.NewRelay(t, registry.URL)
	backref := rig.NewBackref(t, relay.URL, quick...)
	image := prepare(t, backref.URL, "app")
	referrer := rig.Artifact("application/vnd.example.x", "x", image.Descriptor())
	relay.After(func(r *http.Request, _ int) {
		if r.Method == http.MethodPut {
			panic(http.ErrAbortHandler)
		}
	})
	rig.Push(t, backref.URL, "app", "", referrer).Want(t, http.StatusBadGateway)
	if intents := backref.Run(t, "index", "intents"); !strings.Contains(intents, referrer.Digest().String()) {
		t.Errorf("the intent is not shown: %q", intents)
	}
	relay.After(nil)
	rig.Eventually(t, "the intent is settled", func() bool {
		return strings.TrimSpace(backref.Run(t, "index", "intents")) == ""
	})
	if !strings.Contains(backref.Run(t, "index", "export"), referrer.Digest().String()) {
		t.Error("the referrer is not recorded")
	}
	metrics := string(rig.Do(t, http.MethodGet, backref.AdminURL+"/metrics", nil).Body)
	if !strings.Contains(metrics, `backref_intents_settled_total{kind="push",result="present"} 1`) {
		t.Error("the metric does not count it")
	}
}

// Records go out and in, and the file can be copied while it is in use.
func TestExportImportAndBackup(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, registry.URL, quick...)
	image := prepare(t, backref.URL, "app")
	attached(t, backref.URL, "app", image, 5)
	exported := backref.Run(t, "index", "export")

	other := rig.NewBackref(t, registry.URL, quick...)
	if got := other.TryInput(t, exported, "index", "import"); got.Err != nil || got.Stdout != "6 records imported\n" {
		t.Errorf("import: %v: %s%s", got.Err, got.Stdout, got.Stderr)
	}
	if again := other.Run(t, "index", "export"); again != exported {
		t.Errorf("exported\n%s\nimported and exported\n%s", exported, again)
	}
	if got := other.TryInput(t, "{\"repository\":\"x\"}\nnonsense\n", "index", "import"); got.Err == nil {
		t.Error("nonsense was imported")
	}

	copied := filepath.Join(t.TempDir(), "copy.db")
	backref.Run(t, "index", "backup", copied)
	backref.Stop()
	if err := os.Rename(copied, backref.Index); err != nil {
		t.Fatal(err)
	}
	backref.Restart()
	wantListed(t, backref, "app", image.Digest(), 5)
}
