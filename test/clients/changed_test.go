package clients

import (
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// A tool that changes a referrer makes another manifest. crane 0.22.1 leaves the
// subject out of that, so that it refers to nothing, and regctl 0.11.7 keeps it;
// the one that was there stays listed either way.
func TestReferrersThatToolsChange(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	w := workplace{t.TempDir(), registry, rig.NewBackref(t, registry.URL)}
	rig.PushBlob(t, w.backref.URL, "app", rig.Empty)
	image := rig.Image("subject")
	sbom := rig.Artifact("application/spdx+json", "sbom", image.Descriptor())
	rig.Push(t, w.backref.URL, "app", "v1", image)
	rig.Push(t, w.backref.URL, "app", "", sbom)
	ref := w.backref.Host + "/app"
	digest := func(tag string) string {
		return strings.TrimSpace(w.run(t, "crane", "digest", "--insecure", ref+":"+tag))
	}

	w.run(t, "crane", "mutate", "--insecure", "--annotation", "a=b", "-t", ref+":mutated", ref+"@"+sbom.Digest().String())
	w.run(t, "regctl", "registry", "set", "--tls", "disabled", w.backref.Host)
	w.run(t, "regctl", "image", "mod", "--annotation", "a=b", "--create", ref+":modified", ref+"@"+sbom.Digest().String())
	var listed []string
	for _, d := range rig.Listing(t, w.backref.URL, "app", image.Digest()) {
		listed = append(listed, d.Digest.String())
	}
	slices.Sort(listed)
	want := []string{sbom.Digest().String(), digest("modified")}
	slices.Sort(want)
	if !slices.Equal(listed, want) || slices.Contains(listed, digest("mutated")) {
		t.Errorf("listed: %q\nwant: %q", listed, want)
	}
}
