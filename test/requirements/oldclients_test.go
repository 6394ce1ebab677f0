package requirements

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// underTag returns the digests that the referrers tag shows, and its reply.
func underTag(t *testing.T, base string, subject digest.Digest) ([]digest.Digest, rig.Reply) {
	t.Helper()
	reply := rig.Do(t, http.MethodGet, base+tagPath(subject), nil, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
	var list struct{ Manifests []rig.Descriptor }
	if err := json.Unmarshal(reply.Body, &list); err != nil {
		t.Fatal(err)
	}
	if got, want := reply.Header.Get("Docker-Content-Digest"), digest.FromBytes(reply.Body).String(); got != want {
		t.Errorf("Docker-Content-Digest %q, want %q", got, want)
	}
	return digests(list.Manifests), reply
}

func tagPath(subject digest.Digest) string {
	return "/v2/app/manifests/" + strings.Replace(subject.String(), ":", "-", 1)
}

// X3: a client that knows only the referrers tag sees all referrers, whoever
// pushed them by whatever way, and what it writes back takes nothing away.
func TestX3TheTagIsAnsweredWithTheListing(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("x3")
		subject := image.Descriptor()
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		rig.Do(t, http.MethodGet, s.backref.URL+tagPath(subject.Digest), nil).Want(t, http.StatusNotFound)
		one, two, three := rig.Artifact("application/vnd.example.x", "1", subject), rig.Artifact("application/vnd.example.x", "2", subject), rig.Artifact("application/vnd.example.x", "3", subject)
		want := func(when string, manifests ...rig.Manifest) rig.Reply {
			t.Helper()
			entries := make([]rig.Descriptor, 0, len(manifests))
			for _, m := range manifests {
				entries = append(entries, m.Descriptor())
			}
			wantListed(t, s.backref.URL, "app", subject.Digest, manifests...)
			shown, reply := underTag(t, s.backref.URL, subject.Digest)
			if !slices.Equal(shown, digests(entries)) {
				t.Errorf("%s: the tag shows %v, want %v", when, shown, digests(entries))
			}
			head := rig.Do(t, http.MethodHead, s.backref.URL+tagPath(subject.Digest), nil).Want(t, http.StatusOK)
			if head.Header.Get("Docker-Content-Digest") != digest.FromBytes(reply.Body).String() {
				t.Errorf("%s: HEAD states %s", when, head.Header.Get("Docker-Content-Digest"))
			}
			byDigest := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/manifests/"+head.Header.Get("Docker-Content-Digest"), nil, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
			if string(byDigest.Body) != string(reply.Body) {
				t.Errorf("%s: by its digest: %s", when, byDigest.Body)
			}
			return reply
		}
		rig.Push(t, s.backref.URL, "app", "", one).Want(t, http.StatusCreated)
		served := want("pushed by the API", one)
		rig.Push(t, s.registry.URL, "app", "", two).Want(t, http.StatusCreated)
		rig.Do(t, http.MethodPut, s.backref.URL+tagPath(subject.Digest), rig.Index(two.Descriptor()).Bytes(), "Content-Type", rig.ImageIndex,
			"If-Match", served.Header.Get("ETag")).Want(t, http.StatusCreated)
		rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/app/manifests/"+served.Header.Get("Docker-Content-Digest"), nil).Want(t, http.StatusAccepted)
		served = want("written back without the first", one, two)
		rig.Push(t, s.backref.URL, "app", "", three).Want(t, http.StatusCreated)
		rig.Do(t, http.MethodPut, s.backref.URL+tagPath(subject.Digest), rig.Index(two.Descriptor()).Bytes(), "Content-Type", rig.ImageIndex,
			"If-Match", served.Header.Get("ETag")).Want(t, http.StatusPreconditionFailed)
		want("not written back by who had read less", one, two, three)
		rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/app/manifests/"+one.Digest().String(), nil).Want(t, http.StatusAccepted)
		want("one deleted", two, three)
	})
}
