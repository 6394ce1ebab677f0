package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// cosigned returns what cosign 2 keeps under a .sig tag.
func cosigned() string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"a/b","digest":%q,"size":2},`+
		`"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":%q,"size":2}]}`, oci.MediaTypeImageManifest, sum, sum)
}

// Without a backref the three tags are asked for; one that can't be is an error.
func TestLegacyReferrersOfARegistry(t *testing.T) {
	registry, repository := newRegistry(t)
	subject := registry.manifest(artifact("subject", sum), oci.MediaTypeImageManifest)
	tags := oci.CosignTags(subject)
	signature := registry.manifest(cosigned(), oci.MediaTypeImageManifest, tags[0])
	registry.manifest(artifact("just a tag", sum), oci.MediaTypeImageManifest, tags[1])
	got, err := repository.Referrers(t.Context(), subject, index.Query{Legacy: true})
	if err != nil || len(got) != 1 || got[0].Digest != signature || !got[0].Legacy || got[0].Tag != tags[0] {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err != nil || len(got) > 0 {
		t.Errorf("unwanted: %+v, %v", got, err)
	}
	registry.HandleFunc("GET /v2/app/manifests/"+tags[2], func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	})
	if got, err := repository.Referrers(t.Context(), subject, index.Query{Legacy: true}); err == nil {
		t.Errorf("a tag that can't be asked for: %+v", got)
	}
}

// What an answer calls legacy is written under its tag by copies, so it has to be
// one of the subject; and a registry's own listing has none.
func TestLegacyMarksAreChecked(t *testing.T) {
	registry, repository := newRegistry(t)
	subject := digest.FromString("subject")
	mark := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(indexDocument{[]oci.Descriptor{{Digest: sum, Legacy: true, Tag: "latest"}}})
	}
	registry.HandleFunc("GET /v2/app/referrers/"+subject.String(), mark)
	if got, err := repository.AllReferrers(t.Context(), subject); err != nil || len(got) != 1 || got[0].Legacy || got[0].Tag != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	repository.extension.Store(present)
	registry.HandleFunc("GET /v2/app/_backref/graph/referrers", mark)
	if got, err := repository.Referrers(t.Context(), subject, index.Query{Legacy: true}); err == nil {
		t.Errorf("got %+v", got)
	}
}
