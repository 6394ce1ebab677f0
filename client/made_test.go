package client

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// dated serves an image whose config has a time.
func (r *fakeRegistry) dated(created string, tags ...string) digest.Digest {
	config := fmt.Sprintf(`{"created":%q}`, created)
	sum := digest.FromString(config)
	r.HandleFunc("GET /v2/app/blobs/"+sum.String(), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(config)) })
	return r.manifest(fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`, oci.MediaTypeDockerConfig, sum, len(config)),
		oci.MediaTypeDockerImage, tags...)
}

// Without a backref images are as old as with one, in a list and in a tree.
func TestImagesAreAsOldAsTheirConfigs(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"tags":["docker","epoch","index"]}`))
	})
	old := registry.dated("2023-01-01T00:00:00Z", "docker")
	latest := registry.dated("2024-06-01T00:00:00Z")
	registry.dated("1970-01-01T00:00:00Z", "epoch")
	entry := func(d digest.Digest) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1}`, oci.MediaTypeDockerImage, d)
	}
	registry.manifest(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s,%s,%s]}`, oci.MediaTypeImageIndex, entry(latest), entry(old),
		entry(digest.FromString("not there"))), oci.MediaTypeImageIndex, "index")

	tags, err := repository.Tags(t.Context(), index.Order{By: index.SortCreated})
	if err != nil || names(tags) != "docker index epoch" {
		t.Fatalf("%v, %v", tags, err)
	}
	newest := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	if !tags[1].Created.Equal(newest) || tags[2].Created != nil {
		t.Errorf("the index is of %v, the image without a time of %v", tags[1].Created, tags[2].Created)
	}
	list, err := repository.Manifest(t.Context(), "index")
	if err != nil {
		t.Fatal(err)
	}
	root, err := Tree(t.Context(), repository, list, Branches{Depth: 1})
	if err != nil || len(root.Manifests) != 3 {
		t.Fatalf("%+v, %v", root, err)
	}
	if !root.Created.Equal(newest) || !root.Manifests[1].Created.Equal(newest.AddDate(-1, -5, 0)) || root.Manifests[2].Created != nil {
		t.Errorf("the tree is of %v, its images of %v and %v", root.Created, root.Manifests[1].Created, root.Manifests[2].Created)
	}
}
