package transfer

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

func TestB2ThereAndBack(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		b := newBench(t, version)
		g := pushGraph(t, b.backref.URL, "app", "round trip")
		listings := g.listings(t, b.backref.URL, "app")

		b.copy(t, "--referrers", b.backref.Host+"/app:v1", b.plain.Host+"/moved/app:v1")
		g.wantContent(t, b.plain.URL, "moved/app")
		wantEqual(t, "referrers tags", g.tagged(t, b.plain.URL, "moved/app"), listings)

		b.copy(t, "--referrers", b.plain.Host+"/moved/app:v1", "oci:layout:v1")
		b.copy(t, "--referrers", "oci:layout:v1", "oci-archive:app.tar:v2")
		if _, err := os.Stat(filepath.Join(b.dir, "app.tar.partial")); err == nil {
			t.Error("the folder of the archive was left behind")
		}
		back := rig.NewBackref(t, rig.NewRegistry(t, version).URL)
		result := b.copy(t, "--referrers", "oci-archive:app.tar", back.Host+"/app:v1")
		g.wantContent(t, back.URL, "app")
		wantEqual(t, "listings of the copy", g.listings(t, back.URL, "app"), listings)
		wantEqual(t, "digest", result.Result.Digest, g.root.Digest())
		wantEqual(t, "referrers", result.Result.Referrers, 5)
		wantEqual(t, "tags", rig.Tags(t, back.URL, "app"), []string{"v1"})

		again := b.copy(t, "--referrers", "oci-archive:app.tar", back.Host+"/app:v1")
		wantEqual(t, "moved again", again.Result.Bytes, int64(0))
		wantEqual(t, "there already", again.Result.Manifests, map[string]int{"present": len(g.manifests)})
	})
}

func TestWithoutReferrers(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "bare")
	result := b.copy(t, b.backref.Host+"/app:v1", b.plain.Host+"/app:v2")
	wantEqual(t, "manifests", result.Result.Manifests, map[string]int{"copied": 3})
	wantEqual(t, "tags", rig.Tags(t, b.plain.URL, "app"), []string{"v2"})
	wantEqual(t, "digest", result.Result.Digest, g.root.Digest())
}

func TestC4Filter(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "filtered")
	result := b.copy(t, "--referrers=artifactType="+sbomType, b.backref.Host+"/app:v1", b.plain.Host+"/app:v1")
	// The SBOM, and the signature that speaks about it.
	wantEqual(t, "referrers", result.Result.Referrers, 2)
	tagged := taggedReferrers(t, b.plain.URL, "app", g.root.Digest())
	if len(tagged) != 1 || tagged[0].Digest != g.sbom.Digest() {
		t.Errorf("referrers of the index: %v", tagged)
	}
	wantEqual(t, "of the sbom", len(taggedReferrers(t, b.plain.URL, "app", g.sbom.Digest())), 1)

	// By an annotation, on a layout.
	result = b.copy(t, "--referrers=artifactType=*signature&annotation=name!=of the index", b.backref.Host+"/app:v1", "oci:layout:v1")
	wantEqual(t, "referrers by annotation", result.Result.Referrers, 2)

	for _, filter := range []string{"sort=created", "artifactTyp=x", "annotation==x"} {
		c := rig.TryCommandLine(t, b.dir, "copy", "--referrers="+filter, b.backref.Host+"/app:v1", "oci:layout:v1")
		if c.Err == nil || !strings.HasPrefix(c.Stderr, "backref: ") {
			t.Errorf("filter %s: %s", filter, c.Stderr)
		}
	}
}

func TestC4Platform(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	pushGraph(t, b.backref.URL, "app", "platforms")
	one := b.copy(t, "--referrers", "--platform", "linux/arm64", b.backref.Host+"/app:v1", b.plain.Host+"/one:v1")
	wantEqual(t, "one", one.Result.Manifests, map[string]int{"copied": 2})
	manifest := rig.Do(t, http.MethodGet, b.plain.URL+"/v2/one/manifests/v1", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	if !strings.Contains(string(manifest.Body), "platformsarm64") {
		t.Errorf("the image is %s", manifest.Body)
	}
	two := b.copy(t, "--referrers", "--platform", "linux/arm64", "--platform", "linux/amd64", b.backref.Host+"/app:v1", b.plain.Host+"/two:v1")
	wantEqual(t, "two", two.Result.Manifests, map[string]int{"copied": 5})
	c := rig.TryCommandLine(t, b.dir, "copy", "--platform", "linux/riscv64", b.backref.Host+"/app:v1", b.plain.Host+"/none:v1")
	if c.Err == nil || !strings.Contains(c.Stderr, "there are: linux/amd64, linux/arm64") {
		t.Errorf("for a platform that is none: %s", c.Stderr)
	}
}

func TestMount(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "mounted")
	result := b.copy(t, "--referrers", b.backref.Host+"/app:v1", b.backref.Host+"/team/app:v1")
	wantEqual(t, "blobs", result.Result.Blobs, map[string]int{"mounted": len(g.blobs)})
	wantEqual(t, "moved", result.Result.Bytes, int64(0))
	g.wantContent(t, b.backref.URL, "team/app")
	wantEqual(t, "listings", g.listings(t, b.backref.URL, "team/app"), g.listings(t, b.backref.URL, "app"))
}

func TestPushedPastBackref(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "past")
	// The target holds everything, but its backref has never seen it.
	pushGraph(t, registry.URL, "app", "past")
	target := rig.NewBackref(t, registry.URL)
	b.copy(t, "--referrers", b.backref.Host+"/app:v1", target.Host+"/app:v1")
	wantEqual(t, "listings", g.listings(t, target.URL, "app"), g.listings(t, b.backref.URL, "app"))
}

func TestDamagedBlob(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "damaged")
	relay := rig.NewRelay(t, b.backref.URL)
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/blobs/"+g.blobs[1].String()) {
			return false
		}
		_, _ = w.Write([]byte(strings.Repeat("damagedamd65", 1000)))
		return true
	})
	for _, target := range []string{"oci:layout:v1", b.plain.Host + "/app:v1"} {
		c := rig.TryCommandLine(t, b.dir, "copy", strings.TrimPrefix(relay.URL, "http://")+"/app:v1", target)
		if c.Err == nil || !strings.Contains(c.Stderr, "damaged") {
			t.Errorf("to %s: %s", target, c.Stderr)
		}
	}
	rig.Do(t, http.MethodHead, b.plain.URL+"/v2/app/blobs/"+g.blobs[1].String(), nil).Want(t, http.StatusNotFound)
}

func TestReferrersTagWithDeletedEntries(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "deleted")
	b.copy(t, "--referrers=artifactType="+sbomType, b.backref.Host+"/app:v1", b.plain.Host+"/app:v1")
	// The registry takes no index that lists what it hasn't.
	rig.Do(t, http.MethodDelete, b.plain.URL+"/v2/app/manifests/"+g.sbom.Digest().String(), nil).Want(t, http.StatusAccepted)
	b.copy(t, "--referrers=artifactType="+signatureType, b.backref.Host+"/app:v1", b.plain.Host+"/app:v1")
	if tagged := taggedReferrers(t, b.plain.URL, "app", g.root.Digest()); len(tagged) != 1 || tagged[0].ArtifactType != signatureType {
		t.Errorf("referrers: %v", tagged)
	}
}
