package client

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestTreeLosesNothing(t *testing.T) {
	registry, repository := newRegistry(t)
	first := registry.manifest(artifact("first", sum), oci.MediaTypeImageManifest)
	second := registry.manifest(artifact("second", first), oci.MediaTypeImageManifest)
	list, err := EmptyIndex().WithEntries([]ocispec.Descriptor{{MediaType: oci.MediaTypeImageManifest, Digest: first}})
	if err != nil {
		t.Fatal(err)
	}
	root := registry.manifest(string(list.Body), oci.MediaTypeImageIndex, "v1")
	gone := digest.FromString("gone")
	// The list of the root names a manifest that it holds, and one that is gone.
	for subject, referrers := range map[digest.Digest][]digest.Digest{root: {first, gone}, first: {second}, second: nil} {
		registry.HandleFunc("GET /v2/app/referrers/"+subject.String(), func(w http.ResponseWriter, _ *http.Request) {
			var page indexDocument
			for _, d := range referrers {
				page.Manifests = append(page.Manifests, oci.Descriptor{Digest: d})
			}
			w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
			_ = json.NewEncoder(w).Encode(page)
		})
	}
	tree, err := repository.Tree(t.Context(), "v1", 8)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Manifests) != 1 || tree.Manifests[0].Repeated || len(tree.Manifests[0].Referrers) != 1 {
		t.Errorf("the image: %+v", tree.Manifests)
	}
	if len(tree.Referrers) != 2 || !tree.Referrers[0].Repeated || len(tree.Referrers[0].Referrers) != 0 || !tree.Referrers[1].Missing {
		t.Errorf("the referrers: %+v", tree.Referrers)
	}
}
