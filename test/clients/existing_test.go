package clients

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// duplicate copies a manifest and its blobs to another repository of the
// registry, past backref, and returns its digest.
func (w workplace) duplicate(t *testing.T, from, to, reference string) digest.Digest {
	t.Helper()
	manifest := rig.Do(t, http.MethodGet, w.registry.URL+"/v2/"+from+"/manifests/"+reference, nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	var parts struct {
		Config rig.Descriptor
		Layers []rig.Descriptor
	}
	if err := json.Unmarshal(manifest.Body, &parts); err != nil {
		t.Fatal(err)
	}
	for _, blob := range append(parts.Layers, parts.Config) {
		rig.Do(t, http.MethodPost, w.registry.URL+"/v2/"+to+"/blobs/uploads/?from="+from+"&mount="+blob.Digest.String(), nil).Want(t, http.StatusCreated)
	}
	rig.Do(t, http.MethodPut, w.registry.URL+"/v2/"+to+"/manifests/"+reference, manifest.Body, "Content-Type", rig.ImageManifest).Want(t, http.StatusCreated)
	return digest.FromBytes(manifest.Body)
}

// Clients that copy look by HEAD for what is there, and push nothing where all
// is: what was pushed past backref is listed once they report success.
func TestCopiesOfWhatIsThere(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		source := w.backref.Host + "/source:v1"
		w.run(t, "oras", "push", "--plain-http", source, "--config", "config.json:"+rig.ImageConfig, "layer.txt")
		w.run(t, "oras", "attach", "--plain-http", source, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
		subject := digest.Digest(strings.TrimSpace(w.run(t, "oras", "resolve", "--plain-http", source)))
		listed := rig.Listing(t, w.backref.URL, "source", subject)
		if len(listed) != 1 {
			t.Fatalf("the source has %v", listed)
		}
		for name, command := range map[string][]string{
			"by-oras":   {"oras", "cp", "-r", "--from-plain-http", "--to-plain-http"},
			"by-regctl": {"regctl", "image", "copy", "--referrers"},
		} {
			for _, reference := range []string{"v1", listed[0].Digest.String()} {
				w.duplicate(t, "source", name, reference)
			}
			w.run(t, command[0], append(command[1:], source, w.backref.Host+"/"+name+":v1")...)
			got := rig.Listing(t, w.backref.URL, name, subject)
			if !slices.EqualFunc(got, listed, func(a, b rig.Descriptor) bool { return a.Digest == b.Digest }) {
				t.Errorf("%s: listed %v, want %v", name, got, listed)
			}
		}
	})
}
