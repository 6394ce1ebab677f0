package shims

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// Many clients at once attach to one subject, also what the registry refuses.
func TestRaceOfAttaches(t *testing.T) {
	for name, start := range fronts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			race(t, start(t))
		})
	}
}

func race(t *testing.T, f front) {
	const n = 32
	image := rig.Image("race")
	rig.PushBlob(t, f.backref.URL, repository, rig.Empty)
	rig.Push(t, f.backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
	var group sync.WaitGroup
	for i := range n {
		dir := t.TempDir()
		group.Go(func() {
			got := rig.Try(t, dir, "oras", "attach", "--plain-http", "--artifact-type", fmt.Sprintf("application/vnd.example.n%d", i), "--annotation", fmt.Sprintf("n=%d", i), f.backref.Host+"/"+repository+":v1")
			if got.Err != nil {
				t.Errorf("oras attach: %v: %s", got.Err, got.Stderr)
			}
		})
	}
	group.Wait()
	types := map[string]bool{}
	for _, d := range rig.Listing(t, f.backref.URL, repository, image.Digest()) {
		types[d.ArtifactType] = true
		got := rig.Do(t, http.MethodGet, f.backref.URL+"/v2/"+repository+"/manifests/"+d.Digest.String(), nil, "Accept", d.MediaType).Want(t, http.StatusOK)
		if digest.FromBytes(got.Body) != d.Digest {
			t.Errorf("%s is served with other bytes", d.Digest)
		}
	}
	if len(types) != n {
		t.Errorf("%d of %d referrers are listed", len(types), n)
	}
	wantTags(t, f.backref.URL, repository, "v1")
}

// Killed amid pushes, also of what needs envelopes: what was acknowledged is listed and
// pulled after the restart, and what is listed is pulled.
func TestKilledUnderLoad(t *testing.T) {
	for name, start := range fronts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killed(t, start(t))
		})
	}
}

func killed(t *testing.T, f front) {
	const rounds, writers, each = 3, 6, 15
	image := rig.Image("subject")
	rig.PushBlob(t, f.backref.URL, repository, rig.Empty)
	rig.Push(t, f.backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
	var all []rig.Manifest
	for round := range rounds {
		acknowledged := make(chan rig.Manifest, 10_000)
		var group sync.WaitGroup
		for writer := range writers {
			group.Go(func() {
				for i := 0; ; i++ {
					m := rig.Artifact("application/vnd.example.x", fmt.Sprintf("%d/%d/%d", round, writer, i), image.Descriptor())
					got, err := rig.Send(t, http.MethodPut, f.backref.URL+"/v2/"+repository+"/manifests/"+m.Digest().String(), m.Bytes(), "Content-Type", m.MediaType)
					if err != nil || got.Status != http.StatusCreated || got.Header.Get("OCI-Subject") == "" {
						return
					}
					acknowledged <- m
				}
			})
		}
		for range each {
			all = append(all, <-acknowledged)
		}
		f.backref.Kill()
		group.Wait()
		close(acknowledged)
		for m := range acknowledged {
			all = append(all, m)
		}
		f.backref.Restart()
	}
	listed := map[digest.Digest]bool{}
	for _, d := range rig.Listing(t, f.backref.URL, repository, image.Digest()) {
		listed[d.Digest] = true
	}
	for _, m := range all {
		if !listed[m.Digest()] {
			t.Errorf("%s was acknowledged, and is not listed", m.Digest())
		}
		listed[m.Digest()] = true
	}
	for named := range listed {
		got := rig.Do(t, http.MethodGet, f.backref.URL+"/v2/"+repository+"/manifests/"+named.String(), nil, "Accept", rig.ImageManifest)
		if got.Status != http.StatusOK || digest.FromBytes(got.Body) != named {
			t.Errorf("GET %s: %d %s", named, got.Status, got.Body)
		}
	}
	for _, tag := range rig.Tags(t, f.backref.URL, repository) {
		if strings.HasPrefix(tag, "sha256-") {
			t.Errorf("clients see tag %s", tag)
		}
	}
}
