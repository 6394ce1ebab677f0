package transfer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// signed returns what cosign 2 keeps under the .sig tag of an image that was
// signed by some.
func signed(signers ...string) rig.Manifest {
	config := rig.BlobDescriptor(rig.ImageConfig)
	var layers []rig.Descriptor
	for _, signer := range signers {
		layer := rig.BlobDescriptor("application/vnd.dev.cosign.simplesigning.v1+json")
		layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": signer}
		layers = append(layers, layer)
	}
	return rig.Manifest{SchemaVersion: 2, MediaType: rig.ImageManifest, Config: &config, Layers: &layers}
}

// legacyOnly leaves out the referrers, for which tags would have to be written.
const legacyOnly = "--referrers=artifactType=*.sig.v1+json"

func cosignTag(subject digest.Digest) string { return "sha256-" + subject.Encoded() + ".sig" }

// standsFor returns the digest of what a tag stands for; empty for nothing.
func standsFor(t *testing.T, base, repository, tag string) digest.Digest {
	t.Helper()
	got := rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+tag, nil, "Accept", rig.ImageManifest)
	if got.Status != http.StatusOK {
		return ""
	}
	return digest.FromBytes(got.Body)
}

// X4: a copy of what cosign 2 keeps takes nothing away that the target has.
func TestX4CopyOfLegacyReferrers(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "legacy")
	tag := cosignTag(g.root.Digest())
	rig.Push(t, b.backref.URL, "app", tag, signed("alice", "bob")).Want(t, http.StatusCreated)
	copyTo := func(target string, args ...string) rig.Command {
		return rig.TryCommandLine(t, b.dir, append(append([]string{"copy"}, args...), b.backref.Host+"/app:v1", target)...)
	}
	for name, c := range map[string]struct{ there, want rig.Manifest }{
		"older": {signed("bob"), signed("alice", "bob")},
		"newer": {signed("alice", "bob", "carol"), signed("alice", "bob", "carol")},
		"equal": {signed("alice", "bob"), signed("alice", "bob")},
	} {
		rig.PushBlob(t, b.plain.URL, name, rig.Empty)
		rig.Push(t, b.plain.URL, name, tag, c.there).Want(t, http.StatusCreated)
		if got := copyTo(b.plain.Host+"/"+name+":v1", legacyOnly); got.Err != nil {
			t.Errorf("%s: %s", name, got.Stderr)
		}
		wantEqual(t, name, standsFor(t, b.plain.URL, name, tag), c.want.Digest())
	}

	rig.PushBlob(t, b.plain.URL, "other", rig.Empty)
	for _, there := range []rig.Manifest{signed("carol"), rig.Image("other")} {
		rig.Push(t, b.plain.URL, "other", tag, there).Want(t, http.StatusCreated)
		got := copyTo(b.plain.Host+"/other:v1", legacyOnly)
		if got.Err == nil || !strings.Contains(got.Stderr, tag) || standsFor(t, b.plain.URL, "other", tag) != there.Digest() || standsFor(t, b.plain.URL, "other", "v1") != "" {
			t.Errorf("over something else: %v %s", got.Err, got.Stderr)
		}
	}
	if got := copyTo(b.plain.Host+"/other:v1", legacyOnly, "--no-legacy"); got.Err != nil {
		t.Errorf("without them: %s", got.Stderr)
	}

	// The filter goes by type, and the layout keeps the name.
	filtered := b.copy(t, "--referrers=artifactType=*.att.v1+json", b.backref.Host+"/app:v1", "oci:filtered:v1")
	wantEqual(t, "filtered", filtered.Result.Referrers, 0)
	for range 2 {
		b.copy(t, legacyOnly, b.backref.Host+"/app:v1", "oci:layout:v1")
	}
	wantEqual(t, "there and back", b.copy(t, "--referrers", "oci:layout", b.plain.Host+"/back:v1").Result.Digest, g.root.Digest())
	wantEqual(t, "the tag", standsFor(t, b.plain.URL, "back", tag), signed("alice", "bob").Digest())
}

// X4: whole repositories are adopted, and the images of an index.
func TestX4Adopt(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	for _, base := range []string{b.backref.URL, b.plain.URL} {
		g := pushGraph(t, base, "app", "adopted")
		image := (*g.root.Manifests)[0].Digest
		rig.Push(t, base, "app", cosignTag(g.root.Digest()), signed("alice")).Want(t, http.StatusCreated)
		rig.Push(t, base, "app", cosignTag(image), signed("bob")).Want(t, http.StatusCreated)
		gone := digest.FromString("gone")
		rig.Push(t, base, "app", cosignTag(gone), signed("carol")).Want(t, http.StatusCreated)
		app := strings.TrimPrefix(base, "http://") + "/app"
		adopt := func(args ...string) map[digest.Digest]string {
			t.Helper()
			var found []struct {
				Outcome string
				Subject digest.Digest
			}
			output := rig.RunCommandLine(t, b.dir, append([]string{"adopt", "-o", "json"}, args...)...)
			if err := json.Unmarshal([]byte(output), &found); err != nil {
				t.Fatal(err)
			}
			outcomes := map[digest.Digest]string{}
			for _, f := range found {
				outcomes[f.Subject] = f.Outcome
			}
			return outcomes
		}
		wantEqual(t, "the index alone", adopt("--dry-run", app+":v1"), map[digest.Digest]string{g.root.Digest(): "due"})
		wantEqual(t, "with its images", adopt("-r", app+":v1"), map[digest.Digest]string{g.root.Digest(): "adopted", image: "adopted"})
		wantEqual(t, "all", adopt("--all", app), map[digest.Digest]string{g.root.Digest(): "present", image: "present", gone: "orphan"})
		listed := strings.Fields(rig.RunCommandLine(t, b.dir, "referrers", "--no-legacy", "--type", "*.cosign.*", "--format", "{{.artifactType}}", app+"@"+image.String()))
		if !slices.Equal(listed, []string{"application/vnd.dev.cosign.artifact.sig.v1+json"}) {
			t.Errorf("listed: %v", listed)
		}
		if c := rig.TryCommandLine(t, b.dir, "adopt", "--all", app+":v1"); c.Err == nil || !strings.Contains(c.Stderr, "whole repository") {
			t.Errorf("--all with a tag: %s", c.Stderr)
		}
	}
}

// X4: what cosign 2 keeps comes along with chosen tags, and takes nothing away.
func TestX4TagsBringLegacyReferrers(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "tags")
	tag := cosignTag(g.root.Digest())
	rig.Push(t, b.backref.URL, "app", tag, signed("alice", "bob")).Want(t, http.StatusCreated)
	b.copy(t, legacyOnly, b.backref.Host+"/app:v1", "oci:layout:v1")
	for name, from := range map[string][]string{
		"chosen": {"--tags=v1", legacyOnly, "oci:layout"}, "all": {"--all-tags", legacyOnly, b.backref.Host + "/app"},
	} {
		for _, outcome := range []string{"copied", "present"} {
			got := b.copyTags(t, append(from, b.plain.Host+"/"+name)...)
			if got.tags["v1"] != outcome || standsFor(t, b.plain.URL, name, tag) != signed("alice", "bob").Digest() {
				t.Errorf("%s: %v, want %s", name, got.tags, outcome)
			}
		}
	}
	for _, choice := range []string{"--tags=v1", "--tags=*.sig"} {
		rig.PushBlob(t, b.plain.URL, "other", rig.Empty)
		rig.Push(t, b.plain.URL, "other", tag, signed("carol")).Want(t, http.StatusCreated)
		got := rig.TryCommandLine(t, b.dir, "copy", choice, legacyOnly, b.backref.Host+"/app", b.plain.Host+"/other")
		if got.Err == nil || standsFor(t, b.plain.URL, "other", tag) != signed("carol").Digest() {
			t.Errorf("%s over something else: %v %s", choice, got.Err, got.Stdout)
		}
	}
}
