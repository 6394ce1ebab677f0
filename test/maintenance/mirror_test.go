package maintenance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// tagged returns what the referrers tag of a subject lists upstream.
func tagged(t *testing.T, registry *rig.Registry, repository string, subject digest.Digest) []digest.Digest {
	t.Helper()
	got := rig.Do(t, http.MethodGet, registry.URL+"/v2/"+repository+"/manifests/sha256-"+subject.Encoded(), nil, "Accept", rig.ImageIndex)
	if got.Status == http.StatusNotFound {
		return nil
	}
	var list struct{ Manifests []rig.Descriptor }
	if err := json.Unmarshal(got.Want(t, http.StatusOK).Body, &list); err != nil {
		t.Fatal(err)
	}
	digests := []digest.Digest{}
	for _, entry := range list.Manifests {
		digests = append(digests, entry.Digest)
	}
	return digests
}

func sorted(manifests ...rig.Manifest) []digest.Digest {
	digests := []digest.Digest{}
	for _, m := range manifests {
		digests = append(digests, m.Digest())
	}
	slices.Sort(digests)
	return digests
}

// B8: the referrers tag upstream follows the listing: what was there when the
// mirror was switched on, pushes, deletes, and what clients that bypass the
// proxy add.
func TestB8Mirror(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL, quick...)
		image := prepare(t, backref.URL, "app")
		referrers := attached(t, backref.URL, "app", image, 3)
		if got := tagged(t, registry, "app", image.Digest()); got != nil {
			t.Errorf("without the mirror the tag lists %v", got)
		}
		follows := func(what string, want ...rig.Manifest) {
			t.Helper()
			rig.Eventually(t, what, func() bool { return slices.Equal(tagged(t, registry, "app", image.Digest()), sorted(want...)) })
		}
		backref.Stop()
		backref.Restart("--set", "referrers.fallbackTags=mirror", "--set", "referrers.recheckTag=0")
		follows("the backfill", referrers...)

		added := rig.Artifact("application/vnd.example.added", "added", image.Descriptor())
		rig.Push(t, backref.URL, "app", "", added).Want(t, http.StatusCreated)
		follows("a push", append(slices.Clone(referrers), added)...)

		rig.Do(t, http.MethodDelete, backref.URL+"/v2/app/manifests/"+referrers[0].Digest().String(), nil).Want(t, http.StatusAccepted)
		follows("a delete", referrers[1], referrers[2], added)
		want := []string{"sha256-" + image.Digest().Encoded(), "v1"}
		for _, m := range []rig.Manifest{referrers[1], referrers[2], added} {
			want = append(want, "sha256-"+m.Digest().Encoded()+".referrer")
		}
		slices.Sort(want)
		if tags := slices.Sorted(slices.Values(rig.Tags(t, registry.URL, "app"))); !slices.Equal(tags, want) {
			t.Errorf("the registry has the tags %v, want %v", tags, want)
		}

		// oras, straight at the registry, reads the tag and adds to it.
		rig.Run(t, t.TempDir(), "oras", "attach", "--plain-http", "--artifact-type", "application/vnd.example.bypass", registry.Host+"/app:v1", "--annotation", "a=b")
		rig.Eventually(t, "what a client added is listed", func() bool {
			return len(rig.Listing(t, backref.URL, "app", image.Digest())) == 4
		})
		if tags := rig.Tags(t, backref.URL, "app"); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("clients see the tags %v", tags)
		}
	})
}

// The registry's own garbage collection drops every manifest that it takes for
// untagged: without the mirror all referrers, with it none. That of 2.x does
// not look at what tagged indexes list.
func TestB8GarbageCollection(t *testing.T) {
	byIndex := map[rig.Distribution]int{rig.Distribution2: 0, rig.Distribution3: 5}
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		for settings, want := range map[string]int{
			"fallbackTags=import":                  5,
			"fallbackTags=import hiddenTags=false": 0,
			"fallbackTags=mirror":                  5,
			"fallbackTags=mirror hiddenTags=false": byIndex[version],
		} {
			kept := collected(t, version, strings.Fields(settings))
			if kept != want {
				t.Errorf("%s: %d of 5 referrers survived, want %d", settings, kept, want)
			}
			rig.Report(t, fmt.Sprintf("garbage-collect --delete-untagged of %s, %s: %d of 5 referrers survive", version, settings, kept))
		}
	})
}

// collected counts the referrers that survive a garbage collection.
func collected(t *testing.T, version rig.Distribution, settings []string) (kept int) {
	t.Helper()
	args := slices.Clone(quick)
	for _, setting := range settings {
		args = append(args, "--set", "referrers."+setting)
	}
	registry := rig.NewRegistry(t, version)
	backref := rig.NewBackref(t, registry.URL, args...)
	image := prepare(t, backref.URL, "app")
	referrers := attached(t, backref.URL, "app", image, 5)
	if settings[0] == "fallbackTags=mirror" {
		rig.Eventually(t, "the referrers tag is written", func() bool {
			return slices.Equal(tagged(t, registry, "app", image.Digest()), sorted(referrers...))
		})
	}
	registry.CollectGarbage()
	for _, m := range append(referrers, image) {
		if rig.Do(t, http.MethodHead, registry.URL+"/v2/app/manifests/"+m.Digest().String(), nil, "Accept", m.MediaType).Status == http.StatusOK {
			kept++
		}
	}
	return kept - 1 // The image is tagged.
}

// F6: referrers tags whose entries are all indexed can be pruned.
func TestF6Prune(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL, quick...)
		image := prepare(t, registry.URL, "app")
		dir := t.TempDir()
		for range 2 {
			rig.Run(t, dir, "oras", "attach", "--plain-http", "--artifact-type", "application/vnd.example.x", registry.Host+"/app:v1", "--annotation", "n="+dir)
		}
		tag := "sha256-" + image.Digest().Encoded()
		if got := backref.Run(t, "tags", "prune", "--yes"); !strings.Contains(got, "which the index has not") || len(rig.Tags(t, registry.URL, "app")) != 2 {
			t.Errorf("before the import: %s", got)
		}
		listed := len(rig.Listing(t, backref.URL, "app", image.Digest()))
		if got := backref.Run(t, "tags", "prune"); !strings.Contains(got, tag) || len(rig.Tags(t, registry.URL, "app")) != 2 {
			t.Errorf("dry run: %s", got)
		}
		backref.Run(t, "tags", "prune", "--yes")
		if got := report[verified](t, backref.Try(t, "index", "verify").Stdout, "verification"); got.Missing != 0 {
			t.Errorf("after the pruning: %+v", got)
		}
		if tags := rig.Tags(t, registry.URL, "app"); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("tags upstream: %v", tags)
		}
		wantListed(t, backref, "app", image.Digest(), listed)
	})
}
