package transfer

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// layout is an image layout that a test writes by hand.
type layout struct {
	t    *testing.T
	root string
}

func newLayout(t *testing.T) layout {
	t.Helper()
	l := layout{t, filepath.Join(t.TempDir(), "layout")}
	l.write(ocispec.ImageLayoutFile, `{"imageLayoutVersion":"1.0.0"}`)
	l.blob("{}")
	return l
}

func (l layout) write(name, content string) {
	l.t.Helper()
	path := filepath.Join(l.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		l.t.Fatal(err)
	}
}

func (l layout) blob(content string) ocispec.Descriptor {
	l.t.Helper()
	sum := digest.FromString(content)
	l.write(blobPath(sum), content)
	return ocispec.Descriptor{Digest: sum, Size: int64(len(content))}
}

func blobPath(sum digest.Digest) string {
	return filepath.Join(ocispec.ImageBlobsDir, sum.Algorithm().String(), sum.Encoded())
}

// artifact adds a manifest and returns its entry, with a name.
func (l layout) artifact(content, name string, subject *ocispec.Descriptor) ocispec.Descriptor {
	l.t.Helper()
	empty := ocispec.DescriptorEmptyJSON
	empty.Data = nil
	body, err := json.Marshal(ocispec.Manifest{
		MediaType: oci.MediaTypeImageManifest, ArtifactType: "application/vnd.example", Config: empty,
		Layers: []ocispec.Descriptor{empty}, Subject: subject, Annotations: map[string]string{"content": content},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	body = bytes.Replace(body, []byte("{"), []byte(`{"schemaVersion":2,`), 1)
	body = bytes.Replace(body, []byte(`"schemaVersion":0,`), nil, 1)
	entry := l.blob(string(body))
	entry.MediaType = oci.MediaTypeImageManifest
	return named(entry, name)
}

// list adds an image index of manifests and returns its entry.
func (l layout) list(entries ...ocispec.Descriptor) ocispec.Descriptor {
	l.t.Helper()
	m, err := client.EmptyIndex().WithEntries(entries)
	if err != nil {
		l.t.Fatal(err)
	}
	entry := l.blob(string(m.Body))
	entry.MediaType = oci.MediaTypeImageIndex
	return entry
}

// index writes index.json.
func (l layout) index(entries ...ocispec.Descriptor) {
	l.t.Helper()
	document, err := client.EmptyIndex().WithEntries(entries)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write(ocispec.ImageIndexFile, string(document.Body))
}

// copyTo copies between locations that need no registry.
func copyTo(t *testing.T, from, to string) error {
	t.Helper()
	var request Request
	var err error
	if request.Source, err = ParseLocation(from); err != nil {
		t.Fatal(err)
	}
	if request.Target, err = ParseLocation(to); err != nil {
		t.Fatal(err)
	}
	request.Referrers = true
	_, err = Copy(t.Context(), request)
	return err
}

func wantCopied(t *testing.T, from, to string) {
	t.Helper()
	if err := copyTo(t, from, to); err != nil {
		t.Fatalf("copy %s to %s: %v", from, to, err)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v", path, got, err)
	}
}

// oneImage returns a layout with an image that is called v1.
func oneImage(t *testing.T) (layout, ocispec.Descriptor) {
	t.Helper()
	l := newLayout(t)
	entry := l.artifact("image", "v1", nil)
	l.index(entry)
	return l, entry
}

func TestFoldersOfOthersAreRefused(t *testing.T) {
	source, _ := oneImage(t)
	for _, to := range []string{"oci:%", "oci-archive:%"} {
		t.Run(to, func(t *testing.T) {
			place := filepath.Join(t.TempDir(), "place")
			folder := place
			if strings.HasPrefix(to, archivePrefix) {
				folder += partialSuffix
			}
			theirs := layout{t, folder}
			theirs.write("ingest/theirs", "kept")
			if err := copyTo(t, "oci:"+source.root, strings.ReplaceAll(to, "%", place)); !errors.Is(err, errNoLayout) {
				t.Errorf("got %v", err)
			}
			wantFile(t, filepath.Join(folder, "ingest", "theirs"), "kept")
		})
	}
}

func TestFoldersThatAreEmptyAreTaken(t *testing.T) {
	source, _ := oneImage(t)
	root := t.TempDir()
	// A copy that was stopped at its very beginning.
	layout{t, root}.write(temporaryPrefix+"123", "")
	wantCopied(t, "oci:"+source.root, "oci:"+root)
}

func TestDamagedBlobsOfALayoutAreCopiedAgain(t *testing.T) {
	source, image := oneImage(t)
	target := layout{t, filepath.Join(t.TempDir(), "target")}
	wantCopied(t, "oci:"+source.root, "oci:"+target.root)
	whole, err := os.ReadFile(filepath.Join(source.root, blobPath(image.Digest)))
	if err != nil {
		t.Fatal(err)
	}
	for _, sum := range []digest.Digest{image.Digest, digest.FromString("{}")} {
		path := filepath.Join(target.root, blobPath(sum))
		info, err := os.Stat(path)
		if err == nil {
			err = errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, make([]byte, info.Size()), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	wantCopied(t, "oci:"+source.root, "oci:"+target.root)
	wantFile(t, filepath.Join(target.root, blobPath(image.Digest)), string(whole))
	wantFile(t, filepath.Join(target.root, blobPath(digest.FromString("{}"))), "{}")
}

func TestIndexKeepsItsAnnotations(t *testing.T) {
	source, _ := oneImage(t)
	target := newLayout(t)
	target.write(ocispec.ImageIndexFile, `{"schemaVersion":2,"manifests":[],"annotations":{"theirs":"kept"}}`)
	wantCopied(t, "oci:"+source.root, "oci:"+target.root)
	var document ocispec.Index
	body, err := os.ReadFile(filepath.Join(target.root, ocispec.ImageIndexFile))
	if err == nil {
		err = json.Unmarshal(body, &document)
	}
	if err != nil || document.Annotations["theirs"] != "kept" || len(document.Manifests) != 1 {
		t.Errorf("%s, %v", body, err)
	}
}

// pack writes an archive of some files.
func pack(t *testing.T, path string, files map[string]string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(file)
	for name, content := range files {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, written := io.WriteString(archive, content)
		err = errors.Join(err, written)
	}
	if err = errors.Join(err, archive.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestArchivesKeepFilesOfOthers(t *testing.T) {
	source, _ := oneImage(t)
	path := filepath.Join(t.TempDir(), "app.tar")
	pack(t, path, map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": `{"schemaVersion":2,"manifests":[]}`,
		"manifest.json": "docker's", ".hidden": "too",
	})
	wantCopied(t, "oci:"+source.root, "oci-archive:"+path)
	for name, want := range map[string]string{"manifest.json": "docker's", ".hidden": "too"} {
		if got, err := readArchived(path, name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	wantCopied(t, "oci-archive:"+path, "oci:"+filepath.Join(t.TempDir(), "back"))
	wantAlone(t, path)
}

// wantAlone wants nothing beside a file.
func wantAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestWhatIsNoArchiveIsLeftAlone(t *testing.T) {
	source, _ := oneImage(t)
	path := filepath.Join(t.TempDir(), "g.tar")
	for name, write := range map[string]func(){
		"garbage":    func() { layout{t, filepath.Dir(path)}.write("g.tar", strings.Repeat("garbage", 1000)) },
		"other file": func() { pack(t, path, map[string]string{"notes": "theirs"}) },
	} {
		write()
		if err := copyTo(t, "oci:"+source.root, "oci-archive:"+path); err == nil {
			t.Errorf("%s: no error", name)
		}
		wantAlone(t, path)
	}
}

func TestAStoppedArchiveLeavesItsFolderAlone(t *testing.T) {
	source, _ := oneImage(t)
	path := filepath.Join(t.TempDir(), "app.tar")
	archive, err := openArchiveTarget(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	// As a killed copy leaves it.
	layout{t, archive.root}.write(temporaryPrefix+"archive", "begun")
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	wantAlone(t, archive.root)
	wantCopied(t, "oci:"+source.root, "oci-archive:"+path)
	wantAlone(t, path)
}
