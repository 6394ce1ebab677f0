package shims

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// sample is a referrer of a kind that registries refuse.
type sample struct {
	rig.Manifest
	// tag is by what it is pushed; empty where that is its digest.
	tag string
	// artifactType is the one that it is listed with.
	artifactType string
}

// samples are referrers of a subject and of one that isn't there: each kind pushed by
// digest and by tag. child is a manifest of the repository.
func samples(subject, absent, child rig.Descriptor) []sample {
	var all []sample
	for _, tag := range []string{"", "index"} {
		m := rig.Index(child)
		m.ArtifactType, m.Subject, m.Annotations = "application/vnd.example.index", &subject, map[string]string{"by": "index " + tag}
		all = append(all, sample{m, tag, m.ArtifactType})
	}
	for _, tag := range []string{"", "artifact"} {
		m := rig.Artifact("application/vnd.example.artifact", "artifact "+tag, subject)
		all = append(all, sample{m, tag, m.ArtifactType})
	}
	for _, tag := range []string{"", "absent"} {
		m := rig.Artifact("application/vnd.example.absent", "absent "+tag, absent)
		all = append(all, sample{m, tag, m.ArtifactType})
	}
	for _, tag := range []string{"", "note"} {
		m := rig.Artifact("", "note "+tag, subject)
		m.Layers = &[]rig.Descriptor{}
		m.Annotations["org.example/note"] = `of "é" and more`
		all = append(all, sample{m, tag, rig.EmptyConfig})
	}
	return all
}

// push pushes a sample, and looks at the answer.
func (s sample) push(t *testing.T, base, repository string) {
	t.Helper()
	reply := rig.Push(t, base, repository, s.tag, s.Manifest).Want(t, http.StatusCreated)
	if got := reply.Header.Get("OCI-Subject"); got != s.Subject.Digest.String() {
		t.Errorf("OCI-Subject %q, want %s", got, s.Subject.Digest)
	}
	if got := reply.Header.Get("Docker-Content-Digest"); got != s.Digest().String() {
		t.Errorf("Docker-Content-Digest %q, want %s", got, s.Digest())
	}
	if !strings.Contains(reply.Location, "/v2/"+repository+"/manifests/") || strings.HasSuffix(reply.Location, ".kept") || strings.HasSuffix(reply.Location, ".referrer") {
		t.Errorf("Location %q", reply.Location)
	}
}

// references are by what a sample is pulled.
func (s sample) references() []string {
	references := []string{s.Digest().String()}
	if s.tag != "" {
		references = append(references, s.tag)
	}
	return references
}

// descriptor is how a sample has to be listed.
func (s sample) descriptor() rig.Descriptor {
	d := s.Descriptor()
	d.ArtifactType, d.Annotations = s.artifactType, s.Annotations
	return d
}

// wantServed makes sure that a manifest is served as it was pushed.
func (f front) wantServed(t *testing.T, mediaType string, named digest.Digest, body []byte, references ...string) {
	t.Helper()
	accepts := []string{mediaType, strings.Join([]string{rig.ImageManifest, rig.ImageIndex, rig.DockerManifest, rig.DockerList}, ", ")}
	if slices.Contains(f.kept, keptTag(named)) {
		// What is not kept is shown as its registry shows it: Distribution to those alone
		// who accept the OCI's types by name.
		accepts = append(accepts, "*/*")
	}
	for _, reference := range references {
		for _, accept := range accepts {
			for _, method := range []string{http.MethodHead, http.MethodGet} {
				reply := rig.Do(t, method, f.backref.URL+"/v2/"+repository+"/manifests/"+reference, nil, "Accept", accept)
				if reply.Status != http.StatusOK {
					t.Errorf("%s %s, Accept %s: %d %s", method, reference, accept, reply.Status, reply.Body)
					continue
				}
				if method == http.MethodGet && !bytes.Equal(reply.Body, body) {
					t.Errorf("%s %s, Accept %s: other bytes: %s", method, reference, accept, reply.Body)
				}
				for name, want := range map[string]string{
					"Content-Type": mediaType, "Docker-Content-Digest": named.String(), "Content-Length": strconv.Itoa(len(body)),
				} {
					if got := reply.Header.Get(name); got != want {
						t.Errorf("%s %s, Accept %s: %s %q, want %q", method, reference, accept, name, got, want)
					}
				}
			}
		}
	}
}

// wantThere makes sure that all samples are served, and listed with their subjects, and
// that nothing else is.
func (f front) wantThere(t *testing.T, all []sample, subjects ...digest.Digest) {
	t.Helper()
	for _, s := range all {
		f.wantServed(t, s.MediaType, s.Digest(), s.Bytes(), s.references()...)
	}
	wantListed(t, f.backref.URL, repository, all, subjects...)
}

// wantListed compares the listings of subjects with those of the samples.
func wantListed(t *testing.T, base, repository string, all []sample, subjects ...digest.Digest) {
	t.Helper()
	for _, subject := range subjects {
		want := map[digest.Digest]rig.Descriptor{}
		for _, s := range all {
			if s.Subject.Digest == subject {
				want[s.Digest()] = s.descriptor()
			}
		}
		got := map[digest.Digest]rig.Descriptor{}
		for _, d := range rig.Listing(t, base, repository, subject) {
			got[d.Digest] = d
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("referrers of %s are\n%+v\nwant\n%+v", subject, got, want)
		}
	}
}

// wantTags compares the tags that clients see, all at once and in pages.
func wantTags(t *testing.T, base, repository string, want ...string) {
	t.Helper()
	slices.Sort(want)
	got := rig.Tags(t, base, repository)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	var paged []string
	for last := ""; len(paged) <= len(want); {
		page := tagsPage(t, base, repository, last)
		if len(page) > 1 {
			t.Fatalf("a page of one has %v", page)
		}
		if len(page) == 0 {
			break
		}
		paged, last = append(paged, page...), page[0]
	}
	if !slices.Equal(paged, want) {
		t.Errorf("tags in pages %v, want %v", paged, want)
	}
}

// tagsPage returns the page of one tag behind another.
func tagsPage(t *testing.T, base, repository, last string) []string {
	t.Helper()
	var list struct{ Tags []string }
	reply := rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/tags/list?n=1&last="+last, nil).Want(t, http.StatusOK)
	if err := json.Unmarshal(reply.Body, &list); err != nil {
		t.Fatal(err)
	}
	return list.Tags
}
