package split

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/test/rig"
)

// While the second registry is down nothing is acknowledged or said to be missing, and
// what is known is still listed.
func TestSecondIsDown(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		image := p.subject(t, "v1")
		referrer := p.referrer(t, "a", image)
		other := rig.Artifact("application/vnd.example.sbom", "b", image.Descriptor())
		p.second.Kill()
		if got := p.listed(t, image.Digest()); !slices.Equal(got, []digest.Digest{referrer.Digest()}) {
			t.Errorf("listed: %v", got)
		}
		refused := rig.Push(t, p.backref.URL, "app", "", other).Want(t, http.StatusServiceUnavailable)
		if text := string(refused.Body); refused.Header.Get("Retry-After") == "" || !strings.Contains(text, "UNAVAILABLE") ||
			!strings.Contains(text, p.second.Host) || !strings.Contains(text, "referrers.upstream[0]") {
			t.Errorf("%s, Retry-After %q", text, refused.Header.Get("Retry-After"))
		}
		p.wantStatus(t, p.backref.URL, "app", other.Digest().String(), http.StatusServiceUnavailable)
		rig.Do(t, http.MethodGet, p.backref.URL+"/v2/app/blobs/"+digest.FromString("layer of none").String(), nil).Want(t, http.StatusServiceUnavailable)
		rig.Do(t, http.MethodGet, p.backref.URL+"/v2/app/tags/list", nil).Want(t, http.StatusServiceUnavailable)
		p.wantStatus(t, p.backref.URL, "app", "v1", http.StatusOK)
		p.second.Restart()
		rig.Push(t, p.backref.URL, "app", "", other).Want(t, http.StatusCreated)
		p.wantSplit(t, image.Digest(), 2)
	})
}

// A push whose answer is lost is settled by asking the second registry.
func TestLostAnswer(t *testing.T) {
	primary, second := rig.NewRegistry(t, rig.Distribution2), rig.NewRegistry(t, rig.Distribution3)
	relay := rig.NewRelay(t, second.URL)
	p := newPlace(t, primary, second, "--set", stores(relay.URL))
	image := p.subject(t, "v1")
	kept, lost := rig.Artifact("application/vnd.example.sbom", "kept", image.Descriptor()), rig.Artifact("application/vnd.example.sbom", "lost", image.Descriptor())
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		if strings.Contains(r.URL.Path, kept.Digest().Encoded()) {
			rig.Do(t, http.MethodPut, second.URL+r.URL.Path, kept.Bytes(), "Content-Type", kept.MediaType).Want(t, http.StatusCreated)
		}
		panic(http.ErrAbortHandler)
	})
	for _, each := range []rig.Manifest{kept, lost} {
		rig.Push(t, p.backref.URL, "app", "", each).Want(t, http.StatusServiceUnavailable)
	}
	relay.Before(nil)
	if got := p.listed(t, image.Digest()); !slices.Equal(got, []digest.Digest{kept.Digest()}) {
		t.Errorf("listed: %v, want %v", got, kept.Digest())
	}
}

// The index is made again of both registries.
func TestRebuild(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		image := p.subject(t, "v1")
		first, tagged := p.referrer(t, "a", image), rig.Artifact("application/vnd.example.sbom", "tagged", image.Descriptor())
		rig.Push(t, p.backref.URL, "app", "sbom", tagged).Want(t, http.StatusCreated)
		// A referrer of a referrer, and one from before the registry was split.
		p.referrer(t, "nested", first)
		before := rig.Artifact("application/vnd.example.sbom", "before", image.Descriptor())
		rig.Push(t, p.primary.URL, "app", oci.HiddenTag(before.Digest()), before).Want(t, http.StatusCreated)
		fresh := newPlace(t, p.primary, p.second)
		fresh.backref.Run(t, "index", "rebuild")
		want := []digest.Digest{first.Digest(), tagged.Digest(), before.Digest()}
		slices.Sort(want)
		if got := fresh.listed(t, image.Digest()); !slices.Equal(got, want) {
			t.Errorf("listed: %v, want %v", got, want)
		}
		if got := fresh.listed(t, first.Digest()); len(got) != 1 {
			t.Errorf("of the referrer: %v", got)
		}
		if got := fresh.backref.Try(t, "index", "verify"); got.Err != nil || !strings.Contains(got.Stdout, `"missing":0`) {
			t.Errorf("verified: %v: %s", got.Err, got.Stdout)
		}
	})
}

// The mirror keeps the referrers tag where the referrers are, as they come and go.
func TestMirror(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		p = newPlace(t, p.primary, p.second, "--set", "referrers.fallbackTags=mirror")
		image := p.subject(t, "v1")
		tag := "/v2/" + prefix + "/app/manifests/" + oci.ReferrersTag(image.Digest())
		mirrored := func(want ...rig.Manifest) func() bool {
			return func() bool {
				reply := rig.Do(t, http.MethodGet, p.second.URL+tag, nil, "Accept", rig.ImageIndex)
				var index struct{ Manifests []rig.Descriptor }
				_ = json.Unmarshal(reply.Body, &index)
				var digests []digest.Digest
				for _, each := range want {
					digests = append(digests, each.Digest())
				}
				return reply.Status == http.StatusOK && slices.Equal(digestsOf(index.Manifests), slices.Sorted(slices.Values(digests)))
			}
		}
		first := p.referrer(t, "a", image)
		rig.Eventually(t, "the first is mirrored", mirrored(first))
		second := p.referrer(t, "b", image)
		rig.Eventually(t, "the second is mirrored", mirrored(first, second))
	})
}

// Tags of both are listed, in pages too.
func TestTags(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		image := p.subject(t, "b")
		for _, tag := range []string{"d", "f"} {
			rig.Push(t, p.backref.URL, "app", tag, image).Want(t, http.StatusCreated)
		}
		for _, tag := range []string{"a", "c", "e", "g"} {
			rig.Push(t, p.backref.URL, "app", tag, rig.Artifact("application/vnd.example.sbom", tag, image.Descriptor())).Want(t, http.StatusCreated)
		}
		want := []string{"a", "b", "c", "d", "e", "f", "g"}
		if got := rig.Tags(t, p.backref.URL, "app"); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("tags: %v", got)
		}
		for n := 1; n < 9; n++ {
			var all []string
			for next := fmt.Sprintf("/v2/app/tags/list?n=%d", n); next != ""; {
				reply := rig.Do(t, http.MethodGet, p.backref.URL+next, nil).Want(t, http.StatusOK)
				var page struct{ Tags []string }
				if err := json.Unmarshal(reply.Body, &page); err != nil || len(page.Tags) > n {
					t.Fatalf("%v: %s", err, reply.Body)
				}
				all = append(all, page.Tags...)
				next, _ = oci.NextLink(reply.Header.Values("Link"))
			}
			if !slices.Equal(all, want) {
				t.Errorf("n=%d: %v", n, all)
			}
		}
		conflict := rig.Push(t, p.backref.URL, "app", "b", rig.Artifact("application/vnd.example.sbom", "x", image.Descriptor()))
		if conflict.Status != http.StatusConflict || !strings.Contains(string(conflict.Body), `"DENIED"`) {
			t.Errorf("a tag of the primary: %d %s", conflict.Status, conflict.Body)
		}
		for _, tag := range []string{"a", "b"} {
			p.wantStatus(t, p.backref.URL, "app", tag, http.StatusOK)
		}
	})
}

// What neither registry has is said to the client, and nothing is pushed.
func TestMissingBlob(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		image := p.subject(t, "v1")
		artifact := rig.Artifact("application/vnd.example.sbom", "a", image.Descriptor())
		(*artifact.Layers)[0].Digest = digest.FromString("nowhere")
		refused := rig.Push(t, p.backref.URL, "app", "", artifact)
		if refused.Status != http.StatusBadRequest || !strings.Contains(string(refused.Body), "MANIFEST_BLOB_UNKNOWN") {
			t.Errorf("%d %s", refused.Status, refused.Body)
		}
		p.wantSplit(t, image.Digest(), 0)
	})
}

// An index with a subject brings what it names, and an image index that names a
// manifest with a subject is whole in the primary.
func TestIndexes(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		image := p.subject(t, "v1")
		index := rig.Index(image.Descriptor())
		subject := rig.Image("other")
		rig.Push(t, p.backref.URL, "app", "other", subject).Want(t, http.StatusCreated)
		described := subject.Descriptor()
		index.Subject = &described
		rig.Push(t, p.backref.URL, "app", "", index).Want(t, http.StatusCreated)
		p.wantSplit(t, subject.Digest(), 1)

		attestation := p.referrer(t, "attestation", image)
		whole := rig.Index(image.Descriptor(), attestation.Descriptor())
		rig.Push(t, p.backref.URL, "app", "whole", whole).Want(t, http.StatusCreated)
		for _, each := range []digest.Digest{whole.Digest(), image.Digest(), attestation.Digest()} {
			p.wantStatus(t, p.primary.URL, "app", each.String(), http.StatusOK)
		}
		rig.Do(t, http.MethodDelete, p.backref.URL+"/v2/app/manifests/"+attestation.Digest().String(), nil).Want(t, http.StatusAccepted)
		p.wantStatus(t, p.backref.URL, "app", attestation.Digest().String(), http.StatusNotFound)
		if got := p.listed(t, image.Digest()); len(got) != 0 {
			t.Errorf("listed after the delete: %v", got)
		}
	})
}

// A large blob is brought and served without being held in memory, and parts of it are
// served.
func TestLargeBlob(t *testing.T) {
	primary, second := rig.NewRegistry(t, rig.Distribution2), rig.NewRegistry(t, rig.Distribution3)
	p := newPlace(t, primary, second)
	image := p.subject(t, "v1")
	layer := strings.Repeat("0123456789abcdef", 8<<20)
	sum := rig.PushBlob(t, primary.URL, "app", layer)
	artifact := rig.Artifact("application/vnd.example.sbom", "large", image.Descriptor())
	artifact.Layers = &[]rig.Descriptor{{MediaType: "text/plain", Digest: sum, Size: int64(len(layer))}}
	before := peak(t, p.backref.PID())
	rig.Push(t, p.backref.URL, "app", "", artifact).Want(t, http.StatusCreated)
	rig.Do(t, http.MethodDelete, primary.URL+"/v2/app/blobs/"+sum.String(), nil).Want(t, http.StatusAccepted)
	at := p.backref.URL + "/v2/app/blobs/" + sum.String()
	if got := rig.Do(t, http.MethodGet, at, nil).Want(t, http.StatusOK); string(got.Body) != layer {
		t.Error("the blob is another")
	}
	if grown := peak(t, p.backref.PID()) - before; grown > 64<<10 {
		t.Errorf("a blob of %d KiB took %d KiB of memory", len(layer)>>10, grown)
	}
	if got := rig.Do(t, http.MethodGet, at, nil, "Range", "bytes=17-20").Want(t, http.StatusPartialContent); string(got.Body) != "1234" {
		t.Errorf("a part: %q", got.Body)
	}
	rig.Do(t, http.MethodHead, at, nil).Want(t, http.StatusNotFound)
}

// peak returns the most memory that a process has had, in KiB.
func peak(t *testing.T, process int) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(after, "%d", &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}
