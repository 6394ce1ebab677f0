package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// steps has backref killed at each request that an operation makes to the
// registry, before it gets there and after its answer, in a repository of its own
// each time.
type steps struct {
	stage
	// prepare makes what the operation is about in a repository, run carries it
	// out, and check looks at the repository after the restart.
	prepare func(repository string)
	run     func(repository string) (rig.Reply, error)
	check   func(repository string)
	// settled tells whether what is in the registry is all or nothing.
	settled func(repository string) bool
}

func (s *steps) do(t *testing.T) {
	t.Helper()
	var count atomic.Int64
	s.prepare("app/whole")
	s.relay.Before(func(http.ResponseWriter, *http.Request) bool { count.Add(1); return false })
	if got, err := s.run("app/whole"); err != nil || got.Status >= 300 {
		t.Fatalf("%d %s %v", got.Status, got.Body, err)
	}
	s.relay.Before(nil)
	if !s.settled("app/whole") {
		t.Fatal("nothing happened")
	}
	var repositories []string
	for step := int64(1); step <= count.Load(); step++ {
		for _, after := range []bool{false, true} {
			repository := fmt.Sprintf("app/%d-%v", step, after)
			repositories = append(repositories, repository)
			s.prepare(repository)
			s.killAt(step, after)
			_, _ = s.run(repository)
			s.relay.Before(nil)
			s.relay.After(nil)
			s.backref.Restart()
			s.check(repository)
		}
	}
	for _, repository := range repositories {
		rig.Eventually(t, repository+" is settled", func() bool { return s.settled(repository) })
		s.check(repository)
	}
}

// killAt kills backref at a request that it makes.
func (s *steps) killAt(step int64, after bool) {
	var seen, answered atomic.Int64
	if after {
		s.relay.After(func(*http.Request, int) {
			if answered.Add(1) == step {
				s.backref.Kill()
			}
		})
		return
	}
	s.relay.Before(func(http.ResponseWriter, *http.Request) bool {
		if seen.Add(1) != step {
			return false
		}
		s.backref.Kill()
		return true
	})
}

// soon has what is open settled soon.
func soon() []string {
	return []string{
		"--set", "upstream.service.anonymous=true", "--set", "reconcile.settleInterval=200ms", "--set", "upstream.timeouts.connect=1s",
		"--set", "upstream.timeouts.responseHeader=3s", "--set", "upstream.timeouts.grace=100ms",
	}
}

func (s *steps) pushed(t *testing.T, repository string, m rig.Manifest) rig.Manifest {
	t.Helper()
	rig.Do(t, http.MethodPut, s.backref.URL+"/v2/"+repository+"/manifests/"+m.Digest().String(), m.Bytes(), "Content-Type", m.MediaType).Want(t, http.StatusCreated)
	return m
}

// stored tells which manifests the registry has.
func (s *steps) stored(t *testing.T, repository string, manifests ...rig.Manifest) []digest.Digest {
	t.Helper()
	var stored []digest.Digest
	for _, m := range manifests {
		got := rig.Do(t, http.MethodHead, s.registry.URL+"/v2/"+repository+"/manifests/"+m.Digest().String(), nil, "Accept", m.MediaType)
		if got.Status == http.StatusOK {
			stored = append(stored, m.Digest())
		}
	}
	return stored
}

func (s *steps) listedOf(t *testing.T, repository string, subject rig.Manifest) []digest.Digest {
	t.Helper()
	var listed []digest.Digest
	for _, entry := range rig.Listing(t, s.backref.URL, repository, subject.Digest()) {
		listed = append(listed, entry.Digest)
	}
	return listed
}

// A cascade that dies at any step takes all along in the end, or nothing, and never
// shows a part.
func TestKilledAtEachStepOfACascade(t *testing.T) {
	s := &steps{stage: newStage(t, rig.Distribution2, soon()...)}
	image := rig.Image("image")
	sbom := rig.Artifact("application/vnd.example.sbom", "sbom", image.Descriptor())
	signature := rig.Artifact("application/vnd.example.signature", "signature", sbom.Descriptor())
	s.prepare = func(repository string) {
		rig.PushBlob(t, s.backref.URL, repository, rig.Empty)
		for _, m := range []rig.Manifest{image, sbom, signature} {
			s.pushed(t, repository, m)
		}
	}
	s.run = func(repository string) (rig.Reply, error) {
		return rig.Send(t, http.MethodDelete, s.backref.URL+"/v2/"+repository+"/manifests/"+image.Digest().String()+"?referrers=delete", nil)
	}
	s.check = func(repository string) {
		t.Helper()
		direct, indirect := s.listedOf(t, repository, image), s.listedOf(t, repository, sbom)
		if len(direct) != len(indirect) {
			t.Errorf("%s: listed are %v and %v", repository, direct, indirect)
		}
	}
	s.settled = func(repository string) bool {
		stored := s.stored(t, repository, image, sbom, signature)
		return len(stored) == 0 || len(stored) == 3 && len(s.listedOf(t, repository, image)) == 1
	}
	s.do(t)
}

// A replacement that dies at any step leaves the old referrer or the new one: never
// none, never both.
func TestKilledAtEachStepOfAReplacement(t *testing.T) {
	s := &steps{stage: newStage(t, rig.Distribution2, soon()...)}
	image := rig.Image("image")
	old := rig.Artifact("application/vnd.example.signature", "old", image.Descriptor())
	fresh := rig.Artifact("application/vnd.example.signature", "new", image.Descriptor())
	s.prepare = func(repository string) {
		rig.PushBlob(t, s.backref.URL, repository, rig.Empty)
		for _, m := range []rig.Manifest{image, old} {
			s.pushed(t, repository, m)
		}
	}
	s.run = func(repository string) (rig.Reply, error) {
		return rig.Send(t, http.MethodPut, s.backref.URL+"/v2/"+repository+"/manifests/"+fresh.Digest().String()+"?replaces="+old.Digest().String(),
			fresh.Bytes(), "Content-Type", fresh.MediaType)
	}
	s.check = func(repository string) {
		t.Helper()
		if listed := s.listedOf(t, repository, image); len(listed) != 1 {
			t.Errorf("%s: listed are %v", repository, listed)
		}
	}
	s.settled = func(repository string) bool {
		return slices.Equal(s.stored(t, repository, old, fresh), s.listedOf(t, repository, image))
	}
	s.do(t)
	if log := strings.Join(s.backref.Log(), "\n"); !strings.Contains(log, "what was to be deleted before is deleted") {
		t.Error("nothing was left for later")
	}
}
