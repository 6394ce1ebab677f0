package transfer

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// What a registry refused, and has in envelopes, is written out as what it is: to
// another registry and to a layout, from the registry itself.
func TestUnwrap(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		b := newBench(t, version)
		hard := rig.NewStrict(t, rig.NewRegistry(t, version).URL, rig.DockerTypesOnly(http.StatusBadRequest))
		host := strings.TrimPrefix(hard.URL, "http://")
		behind := rig.NewBackref(t, hard.URL)
		g := pushGraph(t, behind.URL, "app", "kept")
		other := b.plain
		b.regctl(t, host, other.Host)

		output := rig.RunCommandLine(t, b.dir, "envelopes", "unwrap", host+"/app", other.Host+"/moved")
		c := readTags(t, output)
		if c.Failed != 0 || c.tags["v1"] != "copied" {
			t.Fatalf("unwrap: %s", output)
		}
		for sum, m := range g.manifests {
			reply := rig.Do(t, http.MethodGet, other.URL+"/v2/moved/manifests/"+sum.String(), nil, "Accept", m.MediaType).Want(t, http.StatusOK)
			if string(reply.Body) != string(m.Bytes()) || reply.Header.Get("Content-Type") != m.MediaType {
				t.Errorf("%s in the target is %q as %s", sum, reply.Body, reply.Header.Get("Content-Type"))
			}
		}
		for _, tag := range rig.Tags(t, other.URL, "moved") {
			if tag != "v1" && len(tag) != len("sha256-")+64 {
				t.Errorf("the target has the tag %s", tag)
			}
		}
		listed := rig.Listing(t, rig.NewBackref(t, other.URL).URL, "moved", g.root.Digest())
		if len(listed) == 0 || !slices.ContainsFunc(listed, func(d rig.Descriptor) bool { return d.Digest == g.sbom.Digest() }) {
			t.Errorf("the image has the referrers %v in the target", listed)
		}
		again := readTags(t, rig.RunCommandLine(t, b.dir, "envelopes", "unwrap", host+"/app", other.Host+"/moved"))
		if again.Manifests["copied"] != 0 || again.Bytes != 0 {
			t.Errorf("again: %+v", again.tagsSum)
		}
		layout := readTags(t, rig.RunCommandLine(t, b.dir, "envelopes", "unwrap", host+"/app", "oci:app"))
		if layout.Manifests["copied"] != len(g.manifests) {
			t.Errorf("to a layout: %+v, want %d manifests", layout.tagsSum, len(g.manifests))
		}
	})
}
