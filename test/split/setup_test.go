package split

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// prefix is what the second registry's repositories begin with.
const prefix = "referrers"

// place is backref before two registries.
type place struct {
	dir             string
	primary, second *rig.Registry
	backref         *rig.Backref
}

// onEach runs a test with each version as either of the two.
func onEach(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	for _, versions := range [][2]rig.Distribution{{rig.Distribution2, rig.Distribution3}, {rig.Distribution3, rig.Distribution2}} {
		t.Run(fmt.Sprintf("%s beside %s", versions[1], versions[0]), func(t *testing.T) {
			primary, second := rig.NewRegistry(t, versions[0]), rig.NewRegistry(t, versions[1])
			test(t, newPlace(t, primary, second))
		})
	}
}

// stores is the setting that has the second registry at a URL keep what has a subject.
func stores(url string) string {
	return fmt.Sprintf(`referrers.upstream=[{repositories: ["**"], url: "%s", prefix: %s, service: {anonymous: true}}]`, url, prefix)
}

func newPlace(t *testing.T, primary, second *rig.Registry, args ...string) place {
	t.Helper()
	args = append([]string{"--set", stores(second.URL), "--set", "upstream.service.anonymous=true"}, args...)
	p := place{t.TempDir(), primary, second, rig.NewBackref(t, primary.URL, args...)}
	for name, content := range map[string]string{
		"layer.txt": "layer", "sbom.json": `{"spdxVersion":"SPDX-2.3"}`, "config.json": `{"architecture":"amd64","os":"linux"}`,
		"regctl.json": `{"hosts":{"` + p.backref.Host + `":{"tls":"disabled"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(p.dir, ".regctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(p.dir, "regctl.json"), filepath.Join(p.dir, ".regctl", "config.json")); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p place) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return rig.Run(t, p.dir, name, args...)
}

// image pushes an image by a client, and returns its reference by tag and its digest.
func (p place) image(t *testing.T) (ref string, subject digest.Digest) {
	t.Helper()
	ref = p.backref.Host + "/app:v1"
	p.run(t, "oras", "push", "--plain-http", ref, "--config", "config.json:"+rig.ImageConfig, "layer.txt")
	return ref, digest.Digest(strings.TrimSpace(p.run(t, "oras", "resolve", "--plain-http", ref)))
}

// subject pushes an image.
func (p place) subject(t *testing.T, tag string) rig.Manifest {
	t.Helper()
	rig.PushBlob(t, p.backref.URL, "app", rig.Empty)
	image := rig.Image("of " + tag)
	rig.Push(t, p.backref.URL, "app", tag, image).Want(t, http.StatusCreated)
	return image
}

// referrer pushes a referrer of a subject with a layer of its own.
func (p place) referrer(t *testing.T, name string, subject rig.Manifest) rig.Manifest {
	t.Helper()
	layer := "layer of " + name
	artifact := rig.Artifact("application/vnd.example.sbom", name, subject.Descriptor())
	artifact.Layers = &[]rig.Descriptor{{MediaType: "text/plain", Digest: rig.PushBlob(t, p.backref.URL, "app", layer), Size: int64(len(layer))}}
	rig.Push(t, p.backref.URL, "app", "", artifact).Want(t, http.StatusCreated)
	return artifact
}

// listed returns what backref lists of a subject, in order.
func (p place) listed(t *testing.T, subject digest.Digest) []digest.Digest {
	t.Helper()
	var all []digest.Digest
	for _, entry := range rig.Listing(t, p.backref.URL, "app", subject) {
		all = append(all, entry.Digest)
	}
	slices.Sort(all)
	return all
}

// wantSplit makes sure that the second registry alone has all that is listed of a
// subject, which are so many.
func (p place) wantSplit(t *testing.T, subject digest.Digest, number int) []digest.Digest {
	t.Helper()
	listed := p.listed(t, subject)
	if len(listed) != number {
		t.Errorf("%d are listed, want %d", len(listed), number)
	}
	for _, each := range listed {
		p.wantStatus(t, p.primary.URL, "app", each.String(), http.StatusNotFound)
		p.wantStatus(t, p.second.URL, prefix+"/app", each.String(), http.StatusOK)
		p.wantStatus(t, p.backref.URL, "app", each.String(), http.StatusOK)
	}
	p.wantStatus(t, p.second.URL, prefix+"/app", subject.String(), http.StatusNotFound)
	return listed
}

func (p place) wantStatus(t *testing.T, url, repository, reference string, status int) rig.Reply {
	t.Helper()
	reply := rig.Do(t, http.MethodGet, url+"/v2/"+repository+"/manifests/"+reference, nil, "Accept", rig.ImageManifest, "Accept", rig.ImageIndex)
	if reply.Status != status {
		t.Errorf("%s of %s at %s: %d, want %d", reference, repository, url, reply.Status, status)
	}
	return reply
}
