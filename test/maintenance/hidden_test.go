package maintenance

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/test/rig"
)

// withDefaults are a registry and a backref in front of it, in which nothing is
// set, with an image and some referrers of it: by clients of the API, with a
// referrer of a referrer among them.
func withDefaults(t *testing.T, version rig.Distribution) (registry *rig.Registry, backref *rig.Backref, subjects []rig.Manifest, referrers []rig.Manifest) {
	t.Helper()
	registry = rig.NewRegistry(t, version)
	backref = rig.NewBackref(t, registry.URL)
	image := prepare(t, backref.URL, "app")
	referrers = attached(t, backref.URL, "app", image, 5)
	referrers = append(referrers, attached(t, backref.URL, "app", referrers[0], 2)...)
	rig.Run(t, t.TempDir(), "oras", "attach", "--plain-http", "--artifact-type", "application/vnd.example.oras", backref.Host+"/app:v1", "--annotation", "a=b")
	return registry, backref, []rig.Manifest{image, referrers[0]}, referrers
}

// listings returns the listings of subjects, byte for byte.
func listings(t *testing.T, base string, subjects []rig.Manifest) string {
	t.Helper()
	var all strings.Builder
	for _, subject := range subjects {
		got := rig.Do(t, http.MethodGet, base+"/v2/app/referrers/"+subject.Digest().String(), nil).Want(t, http.StatusOK)
		fmt.Fprintf(&all, "%s\n", got.Body)
	}
	return all.String()
}

// X1: with nothing set, an index that is lost is found again by the registry's
// API alone, byte for byte.
func TestX1LostIndexIsFoundAgain(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		_, backref, subjects, _ := withDefaults(t, version)
		want := listings(t, backref.URL, subjects)
		if n := len(rig.Listing(t, backref.URL, "app", subjects[0].Digest())); n != 6 {
			t.Fatalf("%d referrers are listed before", n)
		}
		backref.Stop()
		if err := os.Remove(backref.Index); err != nil {
			t.Fatal(err)
		}
		backref.Restart()
		result := report[reconcile.Report](t, backref.Run(t, "index", "rebuild"), "report")
		if result.Failed != 0 || !result.Blind {
			t.Errorf("report: %+v", result)
		}
		if got := listings(t, backref.URL, subjects); got != want {
			t.Errorf("listings after the rebuild:\n%s\nbefore:\n%s", got, want)
		}
		if result := report[reconcile.Report](t, backref.Run(t, "index", "rebuild"), "report"); result.Blind {
			t.Errorf("a rebuild of an index that has records says it is blind: %+v", result)
		}
	})
}

// X1: with nothing set, the registry's own garbage collection keeps every
// referrer, and clients see none of the tags that make it do so.
func TestX1GarbageCollectionKeepsReferrers(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry, backref, subjects, referrers := withDefaults(t, version)
		want := listings(t, backref.URL, subjects)
		registry.CollectGarbage()
		for _, m := range referrers {
			rig.Do(t, http.MethodHead, registry.URL+"/v2/app/manifests/"+m.Digest().String(), nil, "Accept", m.MediaType).Want(t, http.StatusOK)
		}
		if got := listings(t, backref.URL, subjects); got != want {
			t.Errorf("listings after the collection:\n%s\nbefore:\n%s", got, want)
		}
		if tags := rig.Tags(t, backref.URL, "app"); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("clients see the tags %v", tags)
		}
	})
}

// A referrer that is deleted takes its hidden tag along.
func TestAHiddenTagGoesWithItsReferrer(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL)
		image := prepare(t, backref.URL, "app")
		referrer := attached(t, backref.URL, "app", image, 1)[0]
		hidden := "sha256-" + referrer.Digest().Encoded() + ".referrer"
		if tags := rig.Tags(t, registry.URL, "app"); !slices.Contains(tags, hidden) {
			t.Fatalf("the registry has the tags %v", tags)
		}
		rig.Do(t, http.MethodDelete, backref.URL+"/v2/app/manifests/"+referrer.Digest().String(), nil).Want(t, http.StatusAccepted)
		if tags := rig.Tags(t, registry.URL, "app"); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("the registry has the tags %v", tags)
		}
		if list := rig.Listing(t, backref.URL, "app", image.Digest()); len(list) != 0 {
			t.Errorf("still listed: %v", list)
		}
	})
}

// A registry that refuses hidden tags gets pushes by digest all the same. The
// operator is told by the log, the metric and the counts of the index, until the
// tags can be given.
func TestRefusedHiddenTagsAreTold(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		relay := rig.NewRelay(t, registry.URL)
		relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, ".referrer") {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"errors":[{"code":"TAG_INVALID","message":"no such tags here"}]}`))
			return true
		})
		backref := rig.NewBackref(t, relay.URL)
		image := prepare(t, backref.URL, "app")
		attached(t, backref.URL, "app", image, 3)
		wantListed(t, backref, "app", image.Digest(), 3)
		if tags := rig.Tags(t, registry.URL, "app"); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("the registry has the tags %v", tags)
		}
		unheld := func(want string) {
			t.Helper()
			if got := backref.Run(t, "index", "stats"); !strings.Contains(got, want) {
				t.Errorf("index stats: %s, want %s", got, want)
			}
		}
		unheld(`"unheld": 3`)
		if got := string(rig.Do(t, http.MethodGet, backref.AdminURL+"/metrics", nil).Body); !strings.Contains(got, `backref_hidden_tags_total{result="refused"} 3`) {
			t.Error("the metric does not count them")
		}
		if got := strings.Count(strings.Join(backref.Log(), "\n"), "no such tags here"); got != 3 {
			t.Errorf("the log has the refusal %d times", got)
		}
		relay.Before(nil)
		backref.Run(t, "tags", "hold", "--yes")
		unheld(`"unheld": 0`)
		registry.CollectGarbage()
		wantListed(t, backref, "app", image.Digest(), 3)
		for _, tag := range rig.Tags(t, backref.URL, "app") {
			if tag != "v1" {
				t.Errorf("clients see the tag %s", tag)
			}
		}
	})
}

// Referrers of before get their hidden tags by a command, and those that were
// pushed past backref once they are known.
func TestHold(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL, "--set", "referrers.hiddenTags=false")
		image := prepare(t, backref.URL, "app")
		referrers := attached(t, backref.URL, "app", image, 3)
		if got := backref.Run(t, "tags", "hold"); strings.Count(got, `"tagged":false`) != 3 || len(rig.Tags(t, registry.URL, "app")) != 1 {
			t.Errorf("dry run: %s", got)
		}
		if got := backref.Run(t, "tags", "hold", "--yes"); strings.Count(got, `"tagged":true`) != 3 {
			t.Errorf("with --yes: %s", got)
		}
		tags := rig.Tags(t, registry.URL, "app")
		for _, m := range referrers {
			if !slices.Contains(tags, "sha256-"+m.Digest().Encoded()+".referrer") {
				t.Errorf("the registry has the tags %v", tags)
			}
		}
		if got := backref.Run(t, "tags", "hold"); got != "" {
			t.Errorf("when all have one: %s", got)
		}
		registry.CollectGarbage()
		wantListed(t, backref, "app", image.Digest(), 3)
	})
}
