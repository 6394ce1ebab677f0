package faults

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/backref/backref/test/rig"
)

// The registry's garbage collection knows tags, not referrers: what it takes
// for untagged is gone, whatever backref's index says.
func TestGarbageCollectionWithReferrersInTheIndexAlone(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		var referrers []rig.Manifest
		for i := range 20 {
			referrer := rig.Artifact("application/vnd.example.x", fmt.Sprint(i), s.subject.Descriptor())
			rig.Push(t, s.backref.URL, "app", "", referrer).Want(t, http.StatusCreated)
			referrers = append(referrers, referrer)
		}
		s.registry.CollectGarbage()
		kept, subjectKept := surviving(t, s, referrers), surviving(t, s, []rig.Manifest{s.subject})
		if kept != 0 || subjectKept != 1 {
			t.Errorf("%d referrers and %d subjects survived, want 0 and 1", kept, subjectKept)
		}
		reportGarbage(t, version, "import", kept, referrers)
	})
}

// surviving counts the manifests that the registry itself still has.
func surviving(t *testing.T, s stage, manifests []rig.Manifest) (kept int) {
	t.Helper()
	for _, m := range manifests {
		got := rig.Do(t, http.MethodHead, s.registry.URL+"/v2/app/manifests/"+m.Digest().String(), nil, "Accept", m.MediaType)
		if got.Status == http.StatusOK {
			kept++
		}
	}
	return kept
}

// reportGarbage says what survived with referrers.fallbackTags set so.
func reportGarbage(t *testing.T, version rig.Distribution, fallbackTags string, kept int, referrers []rig.Manifest) {
	t.Helper()
	rig.Report(t, fmt.Sprintf("garbage-collect --delete-untagged of %s, fallbackTags: %s: %d of %d referrers survive",
		version, fallbackTags, kept, len(referrers)))
}
