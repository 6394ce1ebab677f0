package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// stage is backref in front of a relay in front of a registry.
type stage struct {
	registry *rig.Registry
	relay    *rig.Relay
	backref  *rig.Backref
	subject  rig.Manifest
}

func newStage(t *testing.T, version rig.Distribution, args ...string) stage {
	t.Helper()
	registry := rig.NewRegistry(t, version)
	relay := rig.NewRelay(t, registry.URL)
	s := stage{registry, relay, rig.NewBackref(t, relay.URL, args...), rig.Image("subject")}
	rig.PushBlob(t, s.backref.URL, "app", rig.Empty)
	rig.Push(t, s.backref.URL, "app", "v1", s.subject).Want(t, http.StatusCreated)
	return s
}

// try pushes a referrer and tells whether it was acknowledged.
func (s stage) try(t *testing.T, m rig.Manifest) bool {
	t.Helper()
	got, err := rig.Send(t, http.MethodPut, s.backref.URL+"/v2/app/manifests/"+m.Digest().String(), m.Bytes(), "Content-Type", m.MediaType)
	return err == nil && got.Status == http.StatusCreated && got.Header.Get("OCI-Subject") != ""
}

// listed tells whether a manifest is listed.
func (s stage) listed(t *testing.T, m rig.Manifest) bool {
	t.Helper()
	for _, entry := range rig.Listing(t, s.backref.URL, "app", s.subject.Digest()) {
		if entry.Digest == m.Digest() {
			return true
		}
	}
	return false
}

// isManifest matches requests about a manifest, by its digest or, as referrers
// are pushed, by its hidden tag.
func isManifest(method string, d digest.Digest) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == method && (strings.HasSuffix(r.URL.Path, "/manifests/"+d.String()) ||
			strings.HasSuffix(r.URL.Path, "/manifests/sha256-"+d.Encoded()+".referrer"))
	}
}

// backref dies between the registry's 201 and the client's: the manifest is
// there, so it is listed.
func TestKilledAfterTheRegistryHasTheManifest(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		referrer := rig.Artifact("application/vnd.example.x", "x", s.subject.Descriptor())
		matches := isManifest(http.MethodPut, referrer.Digest())
		s.relay.After(func(r *http.Request, status int) {
			if matches(r) && status == http.StatusCreated {
				s.backref.Kill()
			}
		})
		if s.try(t, referrer) {
			t.Fatal("the push was acknowledged by a process that is dead")
		}
		s.relay.After(nil)
		s.backref.Restart()
		if !s.listed(t, referrer) {
			t.Error("the referrer is not listed after the restart")
		}
	})
}

// backref dies before the registry sees the manifest: there is nothing to
// list, and nothing is in the way.
func TestKilledBeforeTheRegistrySeesTheManifest(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		referrer := rig.Artifact("application/vnd.example.x", "x", s.subject.Descriptor())
		matches := isManifest(http.MethodPut, referrer.Digest())
		s.relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if !matches(r) {
				return false
			}
			s.backref.Kill()
			return true
		})
		if s.try(t, referrer) {
			t.Fatal("the push was acknowledged by a process that is dead")
		}
		s.relay.Before(nil)
		s.backref.Restart()
		if s.listed(t, referrer) {
			t.Error("what the registry never saw is listed")
		}
		if !s.try(t, referrer) || !s.listed(t, referrer) {
			t.Error("the second push did not bring it")
		}
	})
}

// backref dies between the registry's 202 to a delete and the client's.
func TestKilledAfterTheRegistryDeletedTheManifest(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		kept := rig.Artifact("application/vnd.example.x", "kept", s.subject.Descriptor())
		gone := rig.Artifact("application/vnd.example.x", "gone", s.subject.Descriptor())
		if !s.try(t, kept) || !s.try(t, gone) {
			t.Fatal("push failed")
		}
		matches := isManifest(http.MethodDelete, gone.Digest())
		s.relay.After(func(r *http.Request, status int) {
			if matches(r) && status == http.StatusAccepted {
				s.backref.Kill()
			}
		})
		_, _ = rig.Send(t, http.MethodDelete, s.backref.URL+"/v2/app/manifests/"+gone.Digest().String(), nil)
		s.relay.After(nil)
		s.backref.Restart()
		if s.listed(t, gone) {
			t.Error("the deleted referrer is listed after the restart")
		}
		if !s.listed(t, kept) {
			t.Error("the other referrer is gone")
		}
	})
}

// Killed in the middle of many pushes: what was acknowledged is listed.
func TestKilledUnderLoad(t *testing.T) {
	s := newStage(t, rig.Distribution2)
	const rounds, writers = 5, 8
	acknowledged := make(chan rig.Manifest, 10_000)
	var all []rig.Manifest
	for round := range rounds {
		done := make(chan struct{})
		for writer := range writers {
			go func() {
				defer func() { done <- struct{}{} }()
				for i := 0; ; i++ {
					m := rig.Artifact("application/vnd.example.x", fmt.Sprintf("%d/%d/%d", round, writer, i), s.subject.Descriptor())
					if !s.try(t, m) {
						return
					}
					acknowledged <- m
				}
			}()
		}
		for range 30 {
			all = append(all, <-acknowledged)
		}
		s.backref.Kill()
		for range writers {
			<-done
		}
		for len(acknowledged) > 0 {
			all = append(all, <-acknowledged)
		}
		s.backref.Restart()
	}
	listed := map[digest.Digest]bool{}
	for _, entry := range rig.Listing(t, s.backref.URL, "app", s.subject.Digest()) {
		listed[entry.Digest] = true
	}
	lost := 0
	for _, m := range all {
		if !listed[m.Digest()] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d acknowledged referrers are lost", lost)
	}
	rig.Report(t, fmt.Sprintf("kill -9 under load: %d kills, %d pushes acknowledged, %d listed, %d lost", rounds, len(all), len(listed), lost))
}
