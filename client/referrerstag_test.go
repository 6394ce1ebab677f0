package client

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// A tag that is something else is no reason to fail: the specification says
// that a client then assumes no referrers.
func TestATagThatIsSomethingElseListsNothing(t *testing.T) {
	subject := digest.FromString("subject")
	image := `{"schemaVersion":2,"layers":[]}`
	for name, put := range map[string]func(t *testing.T, r *fakeRegistry) digest.Digest{
		"an image": func(_ *testing.T, r *fakeRegistry) digest.Digest {
			r.manifest(image, oci.MediaTypeImageManifest, oci.ReferrersTag(subject))
			return subject
		},
		"the subject itself": func(_ *testing.T, r *fakeRegistry) digest.Digest {
			return r.manifest(image, oci.MediaTypeImageManifest, oci.ReferrersTag(digest.FromString(image)))
		},
		"a multi-arch image": func(t *testing.T, r *fakeRegistry) digest.Digest {
			r.list(t, subject, r.manifest(image, oci.MediaTypeImageManifest))
			return subject
		},
		"a build cache": func(_ *testing.T, r *fakeRegistry) digest.Digest {
			r.manifest(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"`+sum+`","size":2}]}`,
				oci.MediaTypeImageIndex, oci.ReferrersTag(subject))
			return subject
		},
		"no manifest": func(_ *testing.T, r *fakeRegistry) digest.Digest {
			r.manifest(`[]`, oci.MediaTypeImageIndex, oci.ReferrersTag(subject))
			return subject
		},
		"nothing that is there": func(t *testing.T, r *fakeRegistry) digest.Digest {
			r.list(t, subject, digest.FromString("gone"))
			return subject
		},
	} {
		t.Run(name, func(t *testing.T) {
			registry, repository := newRegistry(t)
			subject := put(t, registry)
			tag := oci.ReferrersTag(subject)
			registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"tags":["` + tag + `","v1"]}`))
			})
			if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err != nil || len(got) > 0 {
				t.Errorf("referrers: %v, %v", got, err)
			}
			if got, err := repository.TagNames(t.Context()); err != nil || !slices.Equal(got, []string{tag, "v1"}) {
				t.Errorf("tags: %v, %v", got, err)
			}
			if _, _, err := repository.ReferrersTag(t.Context(), subject, nil); err == nil || !strings.Contains(err.Error(), "is something else") {
				t.Errorf("to write: %v", err)
			}
		})
	}
}

func TestAListOfReferrersCanBeWritten(t *testing.T) {
	subject := digest.FromString("subject")
	registry, repository := newRegistry(t)
	want := registry.list(t, subject, registry.manifest(artifact("only", subject), oci.MediaTypeImageManifest), digest.FromString("gone"))
	got, entries, err := repository.ReferrersTag(t.Context(), subject, nil)
	if err != nil || got.Digest != want || len(entries) != 2 {
		t.Errorf("%s %v, %v", got.Digest, entries, err)
	}
	about, err := got.About(subject)
	if err != nil || about.Annotations[index.AnnotationSubject] != subject.String() || len(about.Edges) != 2 {
		t.Errorf("%+v, %v", about, err)
	}
}
