package shims

import (
	"net/http"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// What a registry refuses, though it has all its parts, is there all the same: through
// its garbage collection, the loss of the index, and until it is deleted.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	t.Run("docker27", func(t *testing.T) {
		t.Parallel()
		keepsAll(t, newDocker27Front(t))
	})
	t.Run("docker27, Docker's types", func(t *testing.T) {
		t.Parallel()
		keepsAll(t, newDocker27Front(t, rig.DockerTypesOnly(http.StatusNotFound)))
	})
	for _, row := range stricts() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, version := range row.versions {
				t.Run(string(version), func(t *testing.T) {
					t.Parallel()
					keepsAll(t, newFront(t, version, row.rows))
				})
			}
		})
	}
}

// content is what is pushed to a front.
type content struct {
	subject, child rig.Manifest
	samples        []sample
}

// newContent returns a subject with samples that refer to it.
func newContent() content {
	subject, child := rig.Image("subject"), rig.Image("child")
	return content{subject, child, samples(subject.Descriptor(), rig.Image("absent").Descriptor(), child.Descriptor())}
}

// manifests are all that is pushed.
func (c content) manifests() []rig.Manifest {
	all := []rig.Manifest{c.subject, c.child}
	for _, s := range c.samples {
		all = append(all, s.Manifest)
	}
	return all
}

// subjects are the digests that the samples refer to.
func (c content) subjects() []digest.Digest {
	return []digest.Digest{c.subject.Digest(), rig.Image("absent").Digest()}
}

// tags are those that a client sees.
func (c content) tags() []string {
	tags := []string{"child", "v1"}
	for _, s := range c.samples {
		if s.tag != "" {
			tags = append(tags, s.tag)
		}
	}
	return tags
}

// push pushes all of it.
func (c content) push(t *testing.T, base string) {
	t.Helper()
	rig.PushBlob(t, base, repository, rig.Empty)
	rig.Push(t, base, repository, "v1", c.subject).Want(t, http.StatusCreated)
	rig.Push(t, base, repository, "child", c.child).Want(t, http.StatusCreated)
	for _, s := range c.samples {
		s.push(t, base, repository)
	}
}

// refused returns the kept tags of the manifests that the registry refuses, pushed to it
// in another repository. Something has to have a tag there: Distribution's garbage
// collection fails of a repository that has none.
func (c content) refused(t *testing.T, f front) []string {
	t.Helper()
	rig.PushBlob(t, f.strict, "other", rig.Empty)
	var refused []string
	for _, m := range c.manifests() {
		if rig.Push(t, f.strict, "other", "some", m).Status != http.StatusCreated {
			refused = append(refused, keptTag(m.Digest()))
		}
	}
	slices.Sort(refused)
	return refused
}

func keepsAll(t *testing.T, f front) {
	t.Helper()
	c := newContent()
	f.kept = c.refused(t, f)
	c.push(t, f.backref.URL)
	c.wantAll(t, f, "after the push")
	f.backref.Run(t, "index", "verify", "--repository", repository)
	if kept := f.ownTags(t, repository, ".kept"); !slices.Equal(kept, f.kept) {
		t.Errorf("kept are %v, and the registry refuses %v", kept, f.kept)
	}
	if f.registry != nil {
		f.registry.CollectGarbage()
		c.wantAll(t, f, "after the registry's garbage collection")
	}
	f.loseIndex(t)
	c.wantAll(t, f, "after a rebuild")
	// It fails where the index and the registry differ.
	f.backref.Run(t, "index", "verify", "--repository", repository)
	c.wantDeletable(t, f)
}

// wantAll makes sure that all is there, and that clients see the tags that they made.
func (c content) wantAll(t *testing.T, f front, when string) {
	t.Helper()
	f.wantThere(t, c.samples, c.subjects()...)
	f.wantServed(t, c.subject.MediaType, c.subject.Digest(), c.subject.Bytes(), "v1", c.subject.Digest().String())
	wantTags(t, f.backref.URL, repository, c.tags()...)
	if t.Failed() {
		t.Fatal(when)
	}
}

// wantDeletable deletes the samples one by one, where the registry deletes tags a tag
// before.
func (c content) wantDeletable(t *testing.T, f front) {
	t.Helper()
	for left := c.samples; len(left) > 0; {
		s := left[0]
		if s.tag != "" && rig.Do(t, http.MethodDelete, f.backref.URL+"/v2/"+repository+"/manifests/"+s.tag, nil).Status == http.StatusAccepted {
			f.wantServed(t, s.MediaType, s.Digest(), s.Bytes(), s.Digest().String())
			wantListed(t, f.backref.URL, repository, left, c.subjects()...)
		}
		rig.Do(t, http.MethodDelete, f.backref.URL+"/v2/"+repository+"/manifests/"+s.Digest().String(), nil).Want(t, http.StatusAccepted)
		left = left[1:]
		for _, reference := range s.references() {
			for _, base := range []string{f.backref.URL, f.direct} {
				rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+reference, nil, "Accept", "*/*", "Accept", rig.DockerManifest).Want(t, http.StatusNotFound)
			}
		}
		if slices.Contains(f.ownTags(t, repository, ".kept"), keptTag(s.Digest())) {
			t.Errorf("%s is deleted and kept", s.Digest())
		}
		wantListed(t, f.backref.URL, repository, left, c.subjects()...)
	}
	wantTags(t, f.backref.URL, repository, "v1", "child")
}
