package transfer

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// X2: a copy that would need a tag for the referrers which stands for something
// else says so before it writes anything.
func TestX2CopyLeavesOtherTags(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		b := newBench(t, version)
		g := pushGraph(t, b.backref.URL, "app", "other")
		tag := "sha256-" + g.root.Digest().Encoded()
		rig.PushBlob(t, b.plain.URL, "app", rig.Empty)
		other := rig.Image("other")
		for _, name := range []string{tag, "v1"} {
			rig.Push(t, b.plain.URL, "app", name, other).Want(t, http.StatusCreated)
		}
		c := rig.TryCommandLine(t, b.dir, "copy", "--referrers", b.backref.Host+"/app:v1", b.plain.Host+"/app:v1")
		if c.Err == nil || !strings.Contains(c.Stderr, tag) || !strings.Contains(c.Stderr, "is something else") {
			t.Errorf("%v: %s", c.Err, c.Stderr)
		}
		for _, name := range []string{tag, "v1"} {
			got := rig.Do(t, http.MethodGet, b.plain.URL+"/v2/app/manifests/"+name, nil, "Accept", rig.ImageManifest)
			if digest.FromBytes(got.Body) != other.Digest() {
				t.Errorf("%s stands for %s", name, got.Body)
			}
		}
		// Without the referrers there is nothing in the way.
		b.copy(t, b.backref.Host+"/app:v1", b.plain.Host+"/app:v2")
		if tags := rig.Tags(t, b.plain.URL, "app"); !slices.Contains(tags, "v2") {
			t.Errorf("tags: %v", tags)
		}
	})
}
