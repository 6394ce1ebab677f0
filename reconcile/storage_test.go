package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// layout is a storage that is made by hand.
type layout struct {
	t   *testing.T
	dir string
}

func newLayout(t *testing.T) layout {
	l := layout{t, t.TempDir()}
	l.folder("blobs")
	l.folder("repositories")
	return l
}

func (l layout) path(name string) string {
	return filepath.Join(l.dir, "docker/registry/v2", name)
}

func (l layout) folder(name string) {
	l.t.Helper()
	if err := os.MkdirAll(l.path(name), 0o755); err != nil {
		l.t.Fatal(err)
	}
}

func (l layout) file(name, content string) {
	l.t.Helper()
	l.folder(filepath.Dir(name))
	if err := os.WriteFile(l.path(name), []byte(content), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// link makes a symbolic link.
func (l layout) link(name, target string) {
	l.t.Helper()
	l.folder(filepath.Dir(name))
	if err := os.Symlink(target, l.path(name)); err != nil {
		l.t.Fatal(err)
	}
}

func revision(repository string, manifest digest.Digest) string {
	return fmt.Sprintf("repositories/%s/_manifests/revisions/%s/%s", repository, manifest.Algorithm(), manifest.Encoded())
}

func data(manifest digest.Digest) string {
	return fmt.Sprintf("blobs/%s/%s/%s/data", manifest.Algorithm(), manifest.Encoded()[:2], manifest.Encoded())
}

// manifest stores content as a manifest of a repository.
func (l layout) manifest(repository, content string, algorithm digest.Algorithm) digest.Digest {
	l.t.Helper()
	sum := algorithm.FromString(content)
	l.file(revision(repository, sum)+"/link", sum.String())
	l.file(data(sum), content)
	return sum
}

func (l layout) open() *Storage {
	l.t.Helper()
	s, err := OpenStorage(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = s.Close() })
	return s
}

// all returns a sequence and its errors.
func all[T any](sequence iter.Seq2[T, error]) (values []T, errs []error) {
	for value, err := range sequence {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		values = append(values, value)
	}
	return values, errs
}

// wantErrors makes sure that there is one error with each of the texts.
func wantErrors(t *testing.T, errs []error, texts ...string) {
	t.Helper()
	if len(errs) != len(texts) {
		t.Errorf("got %d errors, want %d: %v", len(errs), len(texts), errs)
		return
	}
	for i, text := range texts {
		if !strings.Contains(errs[i].Error(), text) {
			t.Errorf("error %q lacks %q", errs[i], text)
		}
	}
}

func TestOpenStorage(t *testing.T) {
	l := newLayout(t)
	l.manifest("app", "{}", digest.SHA256)
	for _, below := range []string{"", "docker", "docker/registry", "docker/registry/v2"} {
		s, err := OpenStorage(filepath.Join(l.dir, below))
		if err != nil {
			t.Errorf("%q: %v", below, err)
			continue
		}
		if got, errs := all(s.Repositories(t.Context())); !slices.Equal(got, []string{"app"}) || errs != nil {
			t.Errorf("%q: got %v, %v", below, got, errs)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := OpenStorage(filepath.Join(l.dir, "docker/registry/v2/blobs")); err == nil || !strings.Contains(err.Error(), "rootdirectory") {
		t.Errorf("folder of another kind: %v", err)
	}
	if _, err := OpenStorage(filepath.Join(l.dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	if _, err := OpenStorage(l.path(data(digest.FromString("{}")))); err == nil {
		t.Error("a file was taken for a storage")
	}
}

func TestRepositoriesOfStorage(t *testing.T) {
	l := newLayout(t)
	want := []string{"a", "a-b", "a-b/c", "a.b", "a/b", "a/b/c", "a0"}
	for _, name := range want {
		l.folder("repositories/" + name + "/_manifests")
	}
	// What is no repository: a folder on the way, uploads alone, names that a
	// registry can't serve, and files.
	l.folder("repositories/only/_uploads")
	l.folder("repositories/Upper/_manifests")
	l.folder("repositories/lost+found")
	l.file("repositories/note", "")
	l.folder("repositories/a/_manifests/revisions/_manifests")
	got, errs := all(l.open().Repositories(t.Context()))
	if !slices.Equal(got, want) || errs != nil {
		t.Errorf("got %q, %v\nwant %q", got, errs, want)
	}
	if !slices.IsSorted(got) {
		t.Error("not sorted")
	}
}

func TestUnreadableRepositoriesOfStorage(t *testing.T) {
	l := newLayout(t)
	outside := t.TempDir()
	if err := os.MkdirAll(filepath.Join(outside, "_manifests"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.folder("repositories/a/_manifests")
	l.file("repositories/b/_manifests", "not a folder")
	l.link("repositories/c", outside)
	l.folder("repositories/d/_manifests")
	got, errs := all(l.open().Repositories(t.Context()))
	if !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("got %q", got)
	}
	wantErrors(t, errs, "c is a symbolic link", "read repository b")
}

func TestManifestsOfStorage(t *testing.T) {
	l := newLayout(t)
	var want []digest.Digest
	for i := range 50 {
		want = append(want, l.manifest("a/b", fmt.Sprint(i), digest.SHA256))
	}
	want = append(want, l.manifest("a/b", "long", digest.SHA512))
	slices.Sort(want)
	l.manifest("other", "elsewhere", digest.SHA256)
	// A manifest that was deleted leaves its folder.
	l.folder(revision("a/b", digest.FromString("deleted")))
	l.file("repositories/a/b/_manifests/revisions/sha256/.DS_Store", "")
	s := l.open()
	for _, page := range []int{1, 7, 50, storagePage} {
		s.page = page
		if got, errs := all(s.Manifests(t.Context(), "a/b")); !slices.Equal(got, want) || errs != nil {
			t.Errorf("pages of %d: got %d manifests, %v, want %d", page, len(got), errs, len(want))
		}
	}
	for _, unknown := range []string{"a", "missing"} {
		if got, errs := all(s.Manifests(t.Context(), unknown)); got != nil || errs != nil {
			t.Errorf("%s: got %v, %v", unknown, got, errs)
		}
	}
	for _, bad := range []string{"", "..", "a/../a/b", "/a", "A"} {
		if _, errs := all(s.Manifests(t.Context(), bad)); len(errs) != 1 || !errors.Is(errs[0], index.ErrInvalid) {
			t.Errorf("%q: got %v", bad, errs)
		}
	}
}

func TestUnreadableManifestsOfStorage(t *testing.T) {
	l := newLayout(t)
	outside := filepath.Join(t.TempDir(), "link")
	// In the order of their digests.
	sums := make([]digest.Digest, 6)
	for i := range sums {
		sums[i] = digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat(fmt.Sprint(i), 64))
	}
	if err := os.WriteFile(outside, []byte(sums[4]), 0o644); err != nil {
		t.Fatal(err)
	}
	l.file(revision("app", sums[0])+"/link", "")
	l.file(revision("app", sums[1])+"/link", sums[2].String())
	l.file(revision("app", sums[2])+"/link", strings.Repeat("x", maxLink+1))
	l.folder(revision("app", sums[3]) + "/link")
	l.link(revision("app", sums[4])+"/link", outside)
	l.file(revision("app", sums[5])+"/link", sums[5].String())
	l.folder("repositories/app/_manifests/revisions/sha256/zzz")
	l.folder("repositories/app/_manifests/revisions/md5/00")
	got, errs := all(l.open().Manifests(t.Context(), "app"))
	if !slices.Equal(got, sums[5:]) {
		t.Errorf("got %v", got)
	}
	wantErrors(t, errs, `"md5" is not known`, `holds ""`, "holds", "more than the limit", "not a file", "not a file", "zzz")
}

func TestStorageWalkEnds(t *testing.T) {
	l := newLayout(t)
	for i := range 5 {
		l.manifest(fmt.Sprintf("a%d", i), fmt.Sprint(i), digest.SHA256)
		l.manifest("a0", fmt.Sprint(i), digest.SHA256)
	}
	s := l.open()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for _, err := range s.Repositories(ctx) {
		seen++
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		cancel()
	}
	if seen != 2 {
		t.Errorf("went on for %d after the context ended", seen)
	}
	if _, errs := all(s.Manifests(ctx, "a0")); len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("got %v", errs)
	}
	for _, err := range s.Repositories(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	for _, err := range s.Manifests(t.Context(), "a0") {
		if err != nil {
			t.Error(err)
		}
		break
	}
}
