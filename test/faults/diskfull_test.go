package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// The index's file system is full: what can't be kept is refused before the
// registry sees it, what was acknowledged stays listed, and reads go on. When
// there is room again everything works.
func TestIndexHasNoRoom(t *testing.T) {
	for _, medium := range media(t) {
		t.Run(medium.name, func(t *testing.T) {
			f := newFullDisk(t, medium)
			f.pushUntilRefused()
			f.readsGoOn()
			f.deletesAreKeptOrRefused()
			f.readinessFollows()
			f.everythingWorks()
			rig.Report(t, fmt.Sprintf("index without room (%s): %d pushes acknowledged, %d refused with nothing upstream, %d deletes refused, %d deleted, %d listed in the end, lost 0",
				medium.name, len(f.acknowledged)+f.deleted, f.refused, f.deletesRefused, f.deleted, len(f.acknowledged)))
		})
	}
}

// fullDisk is a stage whose index can't grow.
type fullDisk struct {
	stage
	t      *testing.T
	medium *medium
	// other is a subject that is left alone meanwhile, with one referrer.
	other, referrer rig.Manifest
	acknowledged    []rig.Manifest

	refused, deletesRefused, deleted int
}

func newFullDisk(t *testing.T, medium *medium) *fullDisk {
	t.Helper()
	f := &fullDisk{t: t, medium: medium}
	f.stage = newStage(t, rig.Distribution2, medium.place(t)...)
	f.other = rig.Image("other")
	rig.Push(t, f.backref.URL, "app", "other", f.other).Want(t, http.StatusCreated)
	f.referrer = rig.Artifact("application/vnd.example.x", "referrer of the other", f.other.Descriptor())
	rig.Push(t, f.backref.URL, "app", "", f.referrer).Want(t, http.StatusCreated)
	f.push("while there is room")
	medium.fill(t)
	return f
}

// push pushes a referrer, large enough to fill an index soon, and tells
// whether it was acknowledged. A refusal has to be one that clients understand,
// and to leave nothing in the registry.
func (f *fullDisk) push(name string) bool {
	f.t.Helper()
	m := rig.Artifact("application/vnd.example.x", name+strings.Repeat(" ", 60_000), f.subject.Descriptor())
	got := rig.Push(f.t, f.backref.URL, "app", "", m)
	if got.Status == http.StatusCreated && got.Header.Get("OCI-Subject") != "" {
		f.acknowledged = append(f.acknowledged, m)
		return true
	}
	f.refused++
	f.mustBeRefusal(got)
	f.upstream(m).Want(f.t, http.StatusNotFound)
	return false
}

// upstream asks the registry itself for a manifest.
func (f *fullDisk) upstream(m rig.Manifest) rig.Reply {
	f.t.Helper()
	return rig.Do(f.t, http.MethodHead, f.registry.URL+"/v2/app/manifests/"+m.Digest().String(), nil, "Accept", m.MediaType)
}

func (f *fullDisk) mustBeRefusal(got rig.Reply) {
	f.t.Helper()
	got.Want(f.t, http.StatusServiceUnavailable)
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(got.Body, &body); err != nil || len(body.Errors) != 1 || body.Errors[0].Code == "" {
		f.t.Errorf("not the specification's JSON: %s", got.Body)
	}
	if got.Header.Get("Retry-After") == "" {
		f.t.Error("refused without Retry-After")
	}
}

func (f *fullDisk) pushUntilRefused() {
	f.t.Helper()
	const most = 5000
	for i := 0; f.refused < 20; i++ {
		f.push(fmt.Sprint(i))
		if i == most {
			f.t.Fatalf("%d pushes did not fill the index", most)
		}
	}
}

// Pulls and the listing of what no open push or delete can change need no
// room. Other listings are whole, or refused.
func (f *fullDisk) readsGoOn() {
	f.t.Helper()
	base := f.backref.URL + "/v2/app/"
	rig.Do(f.t, http.MethodGet, base+"manifests/v1", nil, "Accept", rig.ImageManifest).Want(f.t, http.StatusOK)
	rig.Do(f.t, http.MethodGet, base+"blobs/"+digest.FromString(rig.Empty).String(), nil).Want(f.t, http.StatusOK)
	f.mustList(f.other, f.referrer)
	got := rig.Do(f.t, http.MethodGet, base+"referrers/"+f.subject.Digest().String(), nil)
	f.t.Logf("the listing of the subject that is pushed to answers %d", got.Status)
	if got.Status != http.StatusOK {
		f.mustBeRefusal(got)
		return
	}
	f.mustList(f.subject, f.acknowledged...)
}

// A delete takes little room. One that can't be kept is refused before the registry sees it.
func (f *fullDisk) deletesAreKeptOrRefused() {
	f.t.Helper()
	for i := 0; i < 10 && len(f.acknowledged) > 0; i++ {
		m := f.acknowledged[0]
		got := rig.Do(f.t, http.MethodDelete, f.backref.URL+"/v2/app/manifests/"+m.Digest().String(), nil)
		if got.Status == http.StatusAccepted {
			f.acknowledged = f.acknowledged[1:]
			f.deleted++
			continue
		}
		f.deletesRefused++
		f.mustBeRefusal(got)
		f.upstream(m).Want(f.t, http.StatusOK)
	}
}

// Readiness is off as long as there is no room, and on again without any push.
func (f *fullDisk) readinessFollows() {
	f.t.Helper()
	// A delete may have found room, and left too little for a push.
	f.push("that the index can't keep")
	ready := func(more string) rig.Reply {
		return rig.Do(f.t, http.MethodGet, f.backref.AdminURL+"/readyz?"+more, nil)
	}
	waitFor(f.t, "readiness off", func() bool { return ready("").Status == http.StatusServiceUnavailable })
	verbose := ready("verbose")
	if part := partOf(f.t, verbose, "index"); verbose.Status != http.StatusServiceUnavailable || part.OK || !part.Required || part.Message == "" {
		f.t.Errorf("%d: %s", verbose.Status, verbose.Body)
	}
	ready("exclude=index").Want(f.t, http.StatusOK)
	f.medium.free(f.t)
	waitFor(f.t, "readiness on", func() bool { return ready("").Status == http.StatusOK })
}

func (f *fullDisk) everythingWorks() {
	f.t.Helper()
	// Changes rest for a moment after the last that found no room.
	for deadline := time.Now().Add(30 * time.Second); !f.push("the first with room again"); {
		if time.Now().After(deadline) {
			f.t.Fatal("still refused although there is room")
		}
	}
	f.mustList(f.subject, f.acknowledged...)
	for i := range 50 {
		if !f.push(fmt.Sprint("with room again ", i)) {
			f.t.Fatal("refused although there is room")
		}
	}
	f.mustList(f.subject, f.acknowledged...)
	if f.medium.lasts {
		f.backref.Restart()
		f.mustList(f.subject, f.acknowledged...)
	}
}

// mustList fails the test where other referrers are listed.
func (f *fullDisk) mustList(subject rig.Manifest, referrers ...rig.Manifest) {
	f.t.Helper()
	var want, got []digest.Digest
	for _, m := range referrers {
		want = append(want, m.Digest())
	}
	for _, entry := range rig.Listing(f.t, f.backref.URL, "app", subject.Digest()) {
		got = append(got, entry.Digest)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("%d are listed, want %d", len(got), len(want))
	}
}
