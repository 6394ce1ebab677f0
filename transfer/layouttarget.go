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
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/backref/backref/client"
)

// layoutTarget is an image layout that is copied to. It is held by one copy at
// a time, in this process and others.
type layoutTarget struct {
	root    string
	storage *oci.Storage
	lock    *os.File
}

// ingestFolder is where unfinished blobs lie.
const ingestFolder = "ingest"

// openLayoutTarget makes a layout, or opens the one that is there and waits
// until nobody else writes to it.
func openLayoutTarget(ctx context.Context, root string) (*layoutTarget, error) {
	t, err := makeLayout(root)
	if err != nil {
		return nil, fmt.Errorf("open layout %s: %w", root, err)
	}
	if err := t.hold(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for layout %s: %w", root, err), t.lock.Close())
	}
	// What others left there unfinished is of no use: nobody holds it now.
	return t, os.RemoveAll(filepath.Join(root, ingestFolder))
}

func makeLayout(root string) (*layoutTarget, error) {
	if err := os.MkdirAll(filepath.Join(root, ocispec.ImageBlobsDir), 0o755); err != nil { //nolint:gosec // G301: a layout holds no secrets of its own; its files are as readable.
		return nil, err
	}
	marker := filepath.Join(root, ocispec.ImageLayoutFile)
	content := []byte(`{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`)
	if err := createFile(marker, content); err != nil {
		return nil, err
	}
	if err := createFile(filepath.Join(root, ocispec.ImageIndexFile), client.EmptyIndex().Body); err != nil {
		return nil, err
	}
	storage, err := oci.NewStorage(root)
	if err != nil {
		return nil, err
	}
	lock, err := os.Open(marker)
	return &layoutTarget{root, storage, lock}, err
}

// createFile writes a file where there is none.
func createFile(path string, content []byte) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceFile(path, content)
}

// replaceFile writes a file so that it is seen old or new, never in part.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
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

// HasBlob compares the size too: a machine that went down may have left a file
// without its content.
func (t *layoutTarget) HasBlob(_ context.Context, blob ocispec.Descriptor) (bool, error) {
	if err := blob.Digest.Validate(); err != nil {
		return false, fmt.Errorf("digest %q: %w", blob.Digest, err)
	}
	info, err := os.Stat(t.path(blob.Digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Size() == blob.Size:
		return true, nil
	default:
		return false, os.Remove(t.path(blob.Digest))
	}
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

// Close gives the layout free.
func (t *layoutTarget) Close() error {
	return errors.Join(os.RemoveAll(filepath.Join(t.root, ingestFolder)), t.lock.Close())
}
