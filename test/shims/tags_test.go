package shims

import (
	"net/http"
	"slices"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Tags of what is kept are moved, given again and taken away as any others.
func TestTagsOfWhatIsKept(t *testing.T) {
	t.Parallel()
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		t.Parallel()
		f := dockerTypesOnly(t, version)
		base := f.backref.URL
		one, two, docker := rig.Image("one"), rig.Image("two"), rig.Image("docker")
		docker.MediaType, docker.Config.MediaType = rig.DockerManifest, rig.DockerConfig
		f.kept = []string{keptTag(one.Digest()), keptTag(two.Digest())}
		rig.PushBlob(t, base, repository, rig.Empty)
		for _, m := range []rig.Manifest{one, two, one, docker, two} {
			rig.Push(t, base, repository, "moving", m).Want(t, http.StatusCreated)
			f.wantServed(t, m.MediaType, m.Digest(), m.Bytes(), "moving", m.Digest().String())
		}
		rig.Push(t, base, repository, "more", two).Want(t, http.StatusCreated)
		wantTags(t, base, repository, "moving", "more")
		for _, m := range []rig.Manifest{one, two} {
			f.wantServed(t, m.MediaType, m.Digest(), m.Bytes(), m.Digest().String())
		}
		// Who accepts nothing by name is shown it all the same.
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			reply := rig.Do(t, method, base+"/v2/"+repository+"/manifests/moving", nil).Want(t, http.StatusOK)
			if got := reply.Header.Get("Docker-Content-Digest"); got != two.Digest().String() {
				t.Errorf("%s: Docker-Content-Digest %q", method, got)
			}
		}
		rig.Do(t, http.MethodDelete, base+"/v2/"+repository+"/manifests/"+two.Digest().String(), nil).Want(t, http.StatusAccepted)
		wantTags(t, base, repository)
		rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/moving", nil).Want(t, http.StatusNotFound)
		f.wantServed(t, one.MediaType, one.Digest(), one.Bytes(), one.Digest().String())
		rig.Push(t, base, repository, "again", two).Want(t, http.StatusCreated)
		f.wantServed(t, two.MediaType, two.Digest(), two.Bytes(), "again", two.Digest().String())
	})
}

// A registry that has learnt to take what it refused has it once it is pushed again, and
// a delete leaves neither that nor the envelope.
func TestKeptByARegistryThatHasLearnt(t *testing.T) {
	t.Parallel()
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		t.Parallel()
		f := dockerTypesOnly(t, version)
		c := newContent()
		c.push(t, f.backref.URL)
		// The same index, at the registry as it is now.
		f.backref.Stop()
		learnt := rig.NewBackref(t, f.direct, quick("--index", f.backref.Index)...)
		for _, s := range c.samples {
			s.push(t, learnt.URL, repository)
		}
		f.backref, f.strict = learnt, f.direct
		for _, s := range c.samples {
			f.wantServed(t, s.MediaType, s.Digest(), s.Bytes(), s.references()...)
			rig.Do(t, http.MethodDelete, learnt.URL+"/v2/"+repository+"/manifests/"+s.Digest().String(), nil).Want(t, http.StatusAccepted)
			for _, reference := range s.references() {
				rig.Do(t, http.MethodGet, learnt.URL+"/v2/"+repository+"/manifests/"+reference, nil, "Accept", s.MediaType).Want(t, http.StatusNotFound)
			}
			if slices.Contains(f.ownTags(t, repository, ".kept"), keptTag(s.Digest())) {
				t.Errorf("%s is deleted and kept", s.Digest())
			}
		}
		wantListed(t, learnt.URL, repository, nil, c.subjects()...)
	})
}
