package requirements

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/bcrypt"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// stage is a registry with a backref in front of it.
type stage struct {
	registry *rig.Registry
	backref  *rig.Backref
}

// newStage starts both. The repository "app" has the blob that all test
// content uses.
func newStage(t *testing.T, version rig.Distribution, args ...string) stage {
	t.Helper()
	registry := rig.NewRegistry(t, version)
	s := stage{registry, rig.NewBackref(t, registry.URL, args...)}
	s.prepare(t, "app")
	return s
}

// prepare pushes the blob that all test content uses.
func (s stage) prepare(t *testing.T, repository string) {
	t.Helper()
	rig.PushBlob(t, s.backref.URL, repository, rig.Empty)
}

// onEach runs a test on a new stage with each registry.
func onEach(t *testing.T, test func(t *testing.T, s stage), args ...string) {
	t.Helper()
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		test(t, newStage(t, version, args...))
	})
}

// digests returns those of the entries, sorted.
func digests(entries []rig.Descriptor) []digest.Digest {
	all := make([]digest.Digest, 0, len(entries))
	for _, entry := range entries {
		all = append(all, entry.Digest)
	}
	slices.Sort(all)
	return all
}

// wantListed fails the test where a listing is not exactly the manifests.
func wantListed(t *testing.T, base, repository string, subject digest.Digest, manifests ...rig.Manifest) {
	t.Helper()
	want := make([]digest.Digest, 0, len(manifests))
	for _, m := range manifests {
		want = append(want, m.Digest())
	}
	slices.Sort(want)
	if got := digests(rig.Listing(t, base, repository, subject)); !slices.Equal(got, want) {
		t.Errorf("referrers of %s in %s: got %v, want %v", subject, repository, got, want)
	}
}

// htpasswd returns a file that lets "user" in with "pass".
func htpasswd(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("pass"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte("user:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
