package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orasoci "oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/backref/backref/client"
)

// layoutTarget is an image layout that is copied to. It is held by one copy at
// a time, in this process and others.
type layoutTarget struct {
	root    string
	storage *orasoci.Storage
	lock    *os.File
	gathered
}

// ingestFolder is where unfinished blobs lie.
const ingestFolder = "ingest"

// temporaryPrefix begins the names of files that are being written.
const temporaryPrefix = ".backref-"

func isTemporary(name string) bool {
	return strings.HasPrefix(name, temporaryPrefix)
}

// errNoLayout says that a folder holds something else, of which nothing may be
// written over or cleaned away.
var errNoLayout = errors.New("it holds something else and is no image layout; give another folder")

// openLayoutTarget makes a layout, or opens the one that is there and waits
// until nobody else writes to it.
func openLayoutTarget(ctx context.Context, root string) (*layoutTarget, error) {
	for {
		t, err := lockLayout(ctx, root)
		if err != nil {
			return nil, fmt.Errorf("open layout %s: %w", root, err)
		}
		if t == nil {
			continue // whoever held it took it away
		}
		// What others left there unfinished is of no use: nobody holds it now.
		err = errors.Join(os.RemoveAll(filepath.Join(root, ingestFolder)),
			createFile(filepath.Join(root, ocispec.ImageIndexFile), client.EmptyIndex().Body))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open layout %s: %w", root, err), t.lock.Close())
		}
		return t, nil
	}
}

// lockLayout makes a layout's folder and marker file, and takes the lock of
// the file. It returns nil where the file is another by then.
func lockLayout(ctx context.Context, root string) (*layoutTarget, error) {
	if err := makeMarker(root); errors.Is(err, fs.ErrNotExist) {
		return nil, ctx.Err()
	} else if err != nil {
		return nil, err
	}
	marker := filepath.Join(root, ocispec.ImageLayoutFile)
	lock, err := os.Open(marker)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	t := &layoutTarget{root: root, lock: lock}
	if err := t.hold(ctx); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	held, err := lock.Stat()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if named, err := os.Stat(marker); err != nil || !os.SameFile(held, named) {
		return nil, lock.Close()
	}
	if t.storage, err = orasoci.NewStorage(root); err == nil {
		err = os.MkdirAll(filepath.Join(root, ocispec.ImageBlobsDir), 0o755) //nolint:gosec // G301: a layout is as readable as its files.
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return t, nil
}

// makeMarker makes the folder of a layout with its marker file, before all else
// that is in it: by that others know that the folder is a layout.
func makeMarker(root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil { //nolint:gosec // G301: a layout is as readable as its files.
		return err
	}
	marker := filepath.Join(root, ocispec.ImageLayoutFile)
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if isTemporary(entry.Name()) {
			continue
		}
		if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) {
			return errNoLayout
		}
		break
	}
	return createFile(marker, []byte(`{"imageLayoutVersion":"`+ocispec.ImageLayoutVersion+`"}`))
}

// createFile writes a file where there is none. Of several at once one does.
func createFile(path string, content []byte) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeFile(path, content, func(temporary string) error {
		if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
			return os.Rename(temporary, path) // a file system without links
		}
		return os.Remove(temporary)
	})
}

// replaceFile writes a file so that it is seen old or new, never in part.
func replaceFile(path string, content []byte) error {
	return writeFile(path, content, func(temporary string) error { return os.Rename(temporary, path) })
}

// writeFile writes a file beside its place and has it put there.
func writeFile(path string, content []byte, put func(temporary string) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), temporaryPrefix+"*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = put(file.Name())
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// hold waits for the lock of the layout's marker file. The system drops it
// however the process ends.
func (t *layoutTarget) hold(ctx context.Context) error {
	got := make(chan error, 1)
	go func() {
		for {
			err := syscall.Flock(int(t.lock.Fd()), syscall.LOCK_EX)
			if !errors.Is(err, syscall.EINTR) {
				got <- err
				return
			}
		}
	}()
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		// The goroutine ends with the process, which gives up now.
		return ctx.Err()
	}
}

func (t *layoutTarget) path(sum digest.Digest) string {
	return filepath.Join(t.root, ocispec.ImageBlobsDir, sum.Algorithm().String(), sum.Encoded())
}

// HasBlob reads what is there: a machine that went down may have left a file
// without its content. What is damaged is taken away.
func (t *layoutTarget) HasBlob(_ context.Context, blob ocispec.Descriptor) (bool, error) {
	if err := blob.Digest.Validate(); err != nil {
		return false, fmt.Errorf("digest %q: %w", blob.Digest, err)
	}
	intact, err := t.intact(blob)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read blob %s of %s: %w", blob.Digest, t.root, err)
	case intact:
		return true, nil
	default:
		return false, os.Remove(t.path(blob.Digest))
	}
}

// intact reports whether the file of a blob has its size and digest.
func (t *layoutTarget) intact(blob ocispec.Descriptor) (bool, error) {
	file, err := os.Open(t.path(blob.Digest))
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	verifier := blob.Digest.Verifier()
	size, err := io.Copy(verifier, file)
	return size == blob.Size && verifier.Verified(), err
}

func (t *layoutTarget) PutBlob(ctx context.Context, blob ocispec.Descriptor, open func() (io.ReadCloser, error)) (Outcome, error) {
	content, err := open()
	if err != nil {
		return Copied, err
	}
	defer func() { _ = content.Close() }()
	return Copied, t.push(ctx, blob, content)
}

func (t *layoutTarget) push(ctx context.Context, d ocispec.Descriptor, content io.Reader) error {
	if err := t.storage.Push(ctx, d, content); err != nil && !errors.Is(err, errdef.ErrAlreadyExists) {
		return fmt.Errorf("write blob %s to %s: %w", d.Digest, t.root, err)
	}
	return nil
}

// HasManifest reports whether the manifest is there. The tag is index.json's
// affair.
func (t *layoutTarget) HasManifest(ctx context.Context, m client.Manifest, _ string) (bool, error) {
	return t.HasBlob(ctx, m.Entry())
}

func (t *layoutTarget) PutManifest(ctx context.Context, m client.Manifest, _ string) error {
	return t.push(ctx, m.Entry(), bytes.NewReader(m.Body))
}

// Prepare finds nothing to do: names in index.json are not exclusive.
func (t *layoutTarget) Prepare(context.Context, []digest.Digest, knownSubject) (listings, error) {
	return nil, nil
}

// Close gives the layout free. What was finished before a copy was stopped gets
// its names.
func (t *layoutTarget) Close() error {
	return errors.Join(t.Complete(context.Background()), os.RemoveAll(filepath.Join(t.root, ingestFolder)), t.lock.Close())
}
