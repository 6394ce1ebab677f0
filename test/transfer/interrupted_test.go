package transfer

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// many pushes an image with many layers.
func many(t *testing.T, b bench, layers int) {
	t.Helper()
	rig.PushBlob(t, b.backref.URL, "app", rig.Empty)
	image := rig.Image("many layers")
	list := []rig.Descriptor{}
	for i := range layers {
		content := strings.Repeat(fmt.Sprintf("layer %d;", i), 10000)
		list = append(list, rig.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: rig.PushBlob(t, b.backref.URL, "app", content), Size: int64(len(content))})
	}
	image.Layers = &list
	rig.Push(t, b.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
	rig.Push(t, b.backref.URL, "app", "", rig.Artifact(sbomType, "sbom", image.Descriptor())).Want(t, http.StatusCreated)
}

// killWhile starts a copy and kills it once n blobs were read from the source.
func (b bench) killWhile(t *testing.T, n int32, target string) {
	t.Helper()
	relay := rig.NewRelay(t, b.backref.URL)
	reached, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	var read atomic.Int32
	relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		switch i := read.Add(1); {
		case i == n:
			close(reached)
			<-release
		case i > n:
			<-release
		}
		return false
	})
	cmd := rig.CommandLine(t, b.dir, "copy", "--referrers", "--concurrency", "2", strings.TrimPrefix(relay.URL, "http://")+"/app:v1", target)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Error("the copy never got there")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
}

func TestKilledCopyGoesOn(t *testing.T) {
	const layers, before = 12, 7
	b := newBench(t, rig.Distribution2)
	many(t, b, layers)
	for _, target := range []string{b.plain.Host + "/app:v1", "oci:layout:v1", "oci-archive:app.tar:v1"} {
		b.killWhile(t, before, target)
		result := b.copy(t, "--referrers", b.backref.Host+"/app:v1", target).Result
		// Two were under way at most, so all but one before the last are there.
		if result.Blobs["present"] < before-2 || result.Blobs["copied"]+result.Blobs["present"] != layers+1 {
			t.Errorf("%s: after the kill %v", target, result.Blobs)
		}
		wantEqual(t, target+" referrers", result.Referrers, 1)
	}
	wantEqual(t, "oras on the layout", b.orasSees(t, "--oci-layout", "layout:v1"), 1)
	if _, err := os.Stat(filepath.Join(b.dir, "layout", "ingest")); err == nil {
		t.Error("unfinished blobs were left behind")
	}
}

func TestConcurrentCopiesLoseNothing(t *testing.T) {
	const copies = 2
	b := newBench(t, rig.Distribution2)
	image := rig.Image("one subject")
	for i := range copies {
		repository := fmt.Sprintf("source%d", i)
		rig.PushBlob(t, b.backref.URL, repository, rig.Empty)
		rig.Push(t, b.backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
		rig.Push(t, b.backref.URL, repository, "", rig.Artifact(sbomType, repository, image.Descriptor())).Want(t, http.StatusCreated)
	}
	relay := rig.NewRelay(t, b.plain.URL)
	meetAtTag(relay, copies)
	b.copyAtOnce(t, copies, strings.TrimPrefix(relay.URL, "http://")+"/app:v1")
	wantEqual(t, "referrers", len(taggedReferrers(t, b.plain.URL, "app", image.Digest())), copies)
	// Had nobody looked again, there would have been one write for each.
	writes := slices.DeleteFunc(relay.Seen(), func(request string) bool {
		return !strings.HasPrefix(request, "PUT ") || !strings.Contains(request, "/manifests/sha256-")
	})
	if len(writes) <= copies {
		t.Errorf("%d writes: the copies have not met", len(writes))
	}
}

// meetAtTag holds the first writes of a referrers tag back until all writers
// have read it.
func meetAtTag(relay *rig.Relay, writers int) {
	var mutex sync.Mutex
	waiting, met := 0, make(chan struct{})
	relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/sha256-") {
			return false
		}
		mutex.Lock()
		if waiting++; waiting == writers {
			close(met)
		}
		mutex.Unlock()
		select {
		case <-met:
		case <-time.After(20 * time.Second):
		}
		return false
	})
}

// copyAtOnce copies source0, source1, … into one repository.
func (b bench) copyAtOnce(t *testing.T, copies int, target string) {
	t.Helper()
	var group sync.WaitGroup
	for i := range copies {
		group.Go(func() {
			c := rig.TryCommandLine(t, b.dir, "copy", "--referrers", fmt.Sprintf("%s/source%d:v1", b.backref.Host, i), target)
			if c.Err != nil {
				t.Errorf("copy %d: %v\n%s", i, c.Err, c.Stderr)
			}
		})
	}
	group.Wait()
}

func TestConcurrentCopiesIntoOneLayout(t *testing.T) {
	const copies = 4
	b := newBench(t, rig.Distribution2)
	image := rig.Image("one layout")
	for i := range copies {
		repository := fmt.Sprintf("source%d", i)
		rig.PushBlob(t, b.backref.URL, repository, rig.Empty)
		rig.Push(t, b.backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
		rig.Push(t, b.backref.URL, repository, "", rig.Artifact(sbomType, repository, image.Descriptor())).Want(t, http.StatusCreated)
	}
	b.copyAtOnce(t, copies, "oci:layout:v1")
	wantEqual(t, "referrers", b.orasSees(t, "--oci-layout", "layout:v1"), copies)
}
