package faults

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// audit holds what clients know, and what they are shown, against what the
// registry has.
type audit struct {
	t        *testing.T
	model    *model
	subjects []rig.Descriptor
	// base is where clients ask, upstream the registry itself.
	base, upstream string

	halfStored, lost int
}

// mend has clients push again what the registry was killed in the middle of
// storing.
func (a *audit) mend() {
	someone := &client{t: a.t, base: a.base, model: a.model}
	for _, subject := range a.subjects {
		for _, o := range a.model.referrers[subject.Digest] {
			before := o.version
			someone.mend(o, a.held)
			if o.version != before {
				a.halfStored++
			}
		}
	}
}

// held is what the registry itself answers for a referrer.
func (a *audit) held(o *owned) int {
	return rig.Do(a.t, http.MethodHead, a.upstream+"/v2/app/manifests/"+o.digest.String(), nil, "Accept", o.manifest.MediaType).Status
}

// compareWithRegistry holds all listings against what the registry says of
// each referrer.
func (a *audit) compareWithRegistry(when string) {
	asker := &client{t: a.t, base: a.base, model: a.model}
	for _, subject := range a.subjects {
		_, listed, err := asker.list(subject.Digest, "", 0)
		for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); {
			time.Sleep(100 * time.Millisecond)
			_, listed, err = asker.list(subject.Digest, "", 0)
		}
		if err != nil {
			a.t.Errorf("%s: %v", when, err)
			continue
		}
		for _, o := range a.model.referrers[subject.Digest] {
			a.compare(when, o, listed)
		}
	}
}

func (a *audit) compare(when string, o *owned, listed map[digest.Digest]rig.Descriptor) {
	held := a.held(o)
	entry, shown := listed[o.digest]
	switch {
	case o.standing == present && held != http.StatusOK, o.standing == absent && held != http.StatusNotFound:
		a.t.Errorf("%s: the registry answers %d for %s, which contradicts what clients were told", when, held, o.digest)
	case held == http.StatusOK && !shown:
		a.lost++
		a.t.Errorf("%s: %s is not listed", when, o.digest)
	case held != http.StatusOK && shown:
		a.t.Errorf("%s: %s is listed, but the registry answers %d", when, o.digest, held)
	case shown && !describes(entry, o.manifest):
		a.t.Errorf("%s: descriptor %+v is not that of %s", when, entry, o.manifest.Bytes())
	}
}

func describes(entry rig.Descriptor, m rig.Manifest) bool {
	want := m.Descriptor()
	return entry.MediaType == want.MediaType && entry.Size == want.Size &&
		entry.ArtifactType == m.ArtifactType && maps.Equal(entry.Annotations, m.Annotations)
}
