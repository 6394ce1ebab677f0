package requirements

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// B1: a runtime that takes backref for a mirror names the registry that it
// means, and finds what was pushed without a name.
func TestListingsOfAMirrorsClient(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		subject := rig.Image("subject")
		rig.Push(t, s.backref.URL, "app", "v1", subject)
		first := rig.Artifact("application/vnd.example.first", "first", subject.Descriptor())
		second := rig.Artifact("application/vnd.example.second", "second", subject.Descriptor())
		rig.Push(t, s.backref.URL, "app", "", first)
		// One came past backref, and is pulled by name.
		rig.Push(t, s.registry.URL, "app", "", second)
		rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/manifests/"+second.Digest().String()+"?ns=registry.example.com", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
		wantListed(t, s.backref.URL, "app", subject.Digest(), first, second)
		got := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/referrers/"+subject.Digest().String()+"?ns=registry.example.com", nil).Want(t, http.StatusOK)
		for _, m := range []rig.Manifest{first, second} {
			if !strings.Contains(string(got.Body), m.Digest().String()) {
				t.Errorf("by name: %s lacks %s", got.Body, m.Digest())
			}
		}
		if got.Header.Get("Content-Type") != rig.ImageIndex {
			t.Errorf("Content-Type %s", got.Header.Get("Content-Type"))
		}
	})
}
