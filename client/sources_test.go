package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// A registry that answers 404 for a subject without referrers has the API all the
// same, and one that lists referrers by tag has not.
func TestA404IsAboutItsSubject(t *testing.T) {
	registry, repository := newRegistry(t)
	subject, bare := digest.FromString("subject"), digest.FromString("bare")
	listed := registry.manifest(artifact("listed", subject), oci.MediaTypeImageManifest)
	asked := 0
	registry.HandleFunc("GET /v2/app/referrers/", func(w http.ResponseWriter, r *http.Request) {
		asked++
		if !strings.HasSuffix(r.URL.Path, subject.String()) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(indexDocument{[]oci.Descriptor{{Digest: listed}}})
	})
	for range 2 {
		if got, err := repository.Referrers(t.Context(), bare, index.Query{}); err != nil || len(got) > 0 {
			t.Errorf("without referrers: %v, %v", got, err)
		}
		if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err != nil || len(got) != 1 {
			t.Errorf("with referrers: %v, %v", got, err)
		}
	}
	if has, err := repository.HasReferrersAPI(t.Context(), bare); !has || err != nil {
		t.Errorf("has the API: %t, %v", has, err)
	}

	tagged, other := newRegistry(t)
	tagged.withTag(t, subject)
	asked = 0
	tagged.HandleFunc("GET /v2/app/referrers/", func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.NotFound(w, r)
	})
	for _, s := range []digest.Digest{bare, subject, subject, bare} {
		if _, err := other.Referrers(t.Context(), s, index.Query{}); err != nil {
			t.Error(err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// What an entry lacks is read from its manifest before anything is chosen by it.
func TestBareEntriesAreFilled(t *testing.T) {
	registry, repository := newRegistry(t)
	subject := digest.FromString("subject")
	listed := registry.manifest(artifact("listed", subject), oci.MediaTypeImageManifest)
	gone := digest.FromString("gone")
	registry.HandleFunc("GET /v2/app/referrers/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(indexDocument{[]oci.Descriptor{{Digest: listed}, {Digest: gone}}})
	})
	got, err := repository.Referrers(t.Context(), subject, index.Query{ArtifactTypes: []string{"application/vnd.example"}})
	if err != nil || len(got) != 1 || got[0].Annotations["name"] != "listed" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

// A registry that cuts lists without a link, and has a bound on n, is read to its
// end.
func TestNamesAreReadToTheirEnd(t *testing.T) {
	registry, repository := newRegistry(t)
	var want []string
	for i := range 350 {
		want = append(want, fmt.Sprintf("v%04d", i))
	}
	page := func(w http.ResponseWriter, r *http.Request, field string) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		if n == 0 || n > 100 {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		start, found := slices.BinarySearch(want, r.URL.Query().Get("last"))
		if found {
			start++
		}
		_ = json.NewEncoder(w).Encode(map[string]any{field: want[start:min(len(want), start+n)]})
	}
	registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, r *http.Request) { page(w, r, "tags") })
	registry.HandleFunc("GET /v2/_catalog", func(w http.ResponseWriter, r *http.Request) { page(w, r, "repositories") })
	if got, err := repository.TagNames(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d tags, %v", len(got), len(want), err)
	}
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Complete(t.Context(), c, repository.Reference.Host+"/v"); err != nil || len(got) != len(want) {
		t.Errorf("%d of %d repositories, %v", len(got), len(want), err)
	}
}

// BuildKit keeps a cache as an index of layers and a config. What has an unknown
// type is what the registry has it as.
func TestTreeOfACache(t *testing.T) {
	registry, repository := newRegistry(t)
	held := registry.manifest(artifact("held", digest.FromString("x")), oci.MediaTypeImageManifest)
	odd := registry.manifest(artifact("odd", digest.FromString("y")), "application/vnd.example.odd")
	blob := digest.FromString("blob")
	list, err := EmptyIndex().WithEntries([]ocispec.Descriptor{
		{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: digest.FromString("layer"), Size: 7},
		{MediaType: "application/vnd.buildkit.cacheconfig.v0", Digest: digest.FromString("config"), Size: 4},
		{MediaType: oci.MediaTypeImageManifest, Digest: held, Size: 1},
		{MediaType: "application/vnd.example.odd", Digest: odd, Size: 1},
		{MediaType: "application/vnd.example.odd", Digest: blob, Size: 2},
		{MediaType: "application/vnd.example.odd", Digest: digest.FromString("huge"), Size: 1 << 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	registry.manifest(string(list.Body), oci.MediaTypeImageIndex, "cache")
	registry.HandleFunc("GET /v2/app/manifests/"+blob.String(), func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusInternalServerError)
	})
	registry.HandleFunc("HEAD /v2/app/blobs/"+blob.String(), func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "2") })
	tree, err := treeOf(t, repository, "cache", Branches{Depth: 8})
	if err != nil || len(tree.Manifests) != 2 || tree.Manifests[0].Digest != held || tree.Manifests[1].Digest != odd || tree.ContentSize != 11+1<<30 {
		t.Errorf("%+v, %v", tree, err)
	}
}

// A manifest that is served as text is one all the same.
func TestManifestsServedAsText(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.manifest(artifact("x", digest.FromString("x")), "text/plain", "v1")
	if got, err := repository.Manifest(t.Context(), "v1"); err != nil || got.MediaType != oci.MediaTypeImageManifest {
		t.Errorf("%v, %v", got, err)
	}
}
