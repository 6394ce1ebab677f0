package client

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

func treeOf(t *testing.T, repository *Repository, reference string, b Branches) (*Node, error) {
	t.Helper()
	root, err := repository.Manifest(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	return Tree(t.Context(), repository, root, b)
}

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
	tree, err := treeOf(t, repository, "v1", Branches{Depth: 8})
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

// What is asked for is cut out of an index, with all that refers to it.
func TestTreeOfOnePlatformAndType(t *testing.T) {
	registry, repository := newRegistry(t)
	arm := registry.manifest(artifact("arm", sum), oci.MediaTypeImageManifest)
	amd := registry.manifest(artifact("amd", sum), oci.MediaTypeImageManifest)
	sbom := registry.manifest(strings.Replace(artifact("sbom", arm), "application/vnd.example", "application/spdx+json", 1), oci.MediaTypeImageManifest)
	onSBOM := registry.manifest(artifact("signature", sbom), oci.MediaTypeImageManifest)
	scan := registry.manifest(artifact("scan", arm), oci.MediaTypeImageManifest)
	list, err := EmptyIndex().WithEntries([]ocispec.Descriptor{
		{MediaType: oci.MediaTypeImageManifest, Digest: arm, Platform: &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}},
		{MediaType: oci.MediaTypeImageManifest, Digest: amd, Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64"}},
		{MediaType: oci.MediaTypeImageManifest, Digest: amd},
	})
	if err != nil {
		t.Fatal(err)
	}
	root := registry.manifest(string(list.Body), oci.MediaTypeImageIndex, "v1")
	for subject, referrers := range map[digest.Digest][]digest.Digest{arm: {sbom, scan}, sbom: {onSBOM}, root: nil, onSBOM: nil} {
		registry.HandleFunc("GET /v2/app/referrers/"+subject.String(), func(w http.ResponseWriter, _ *http.Request) {
			var page indexDocument
			for _, d := range referrers {
				page.Manifests = append(page.Manifests, oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: d})
			}
			w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
			_ = json.NewEncoder(w).Encode(page)
		})
	}
	tree, err := treeOf(t, repository, "v1", Branches{
		Depth: 8, Platforms: []string{"linux/arm"}, Query: index.Query{ArtifactTypes: []string{"application/spdx*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Manifests) != 1 || tree.Manifests[0].Digest != arm {
		t.Fatalf("the images: %+v", tree.Manifests)
	}
	kept := tree.Manifests[0].Referrers
	if len(kept) != 1 || kept[0].Digest != sbom || len(kept[0].Referrers) != 1 || kept[0].Referrers[0].Digest != onSBOM {
		t.Errorf("the referrers: %+v", kept)
	}
}
