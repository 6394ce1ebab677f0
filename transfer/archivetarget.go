package transfer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// partialSuffix is added to the name of an archive for the folder in which its
// layout is collected.
const partialSuffix = ".partial"

// archiveTarget is an archive that is copied to. Its layout is collected in a
// folder beside it, where a copy that was stopped goes on.
type archiveTarget struct {
	*layoutTarget
	file string
	// written says that the archive is complete.
	written bool
}

// openArchiveTarget prepares the folder, with what the archive holds already.
func openArchiveTarget(ctx context.Context, file string) (*archiveTarget, error) {
	layout, err := openLayoutTarget(ctx, file+partialSuffix)
	if err != nil {
		return nil, err
	}
	t := &archiveTarget{layoutTarget: layout, file: file}
	if err := unpack(file, layout.root); err != nil {
		return nil, errors.Join(fmt.Errorf("read archive %s: %w", file, err), layout.Close())
	}
	return t, nil
}

// unpack adds the blobs of an archive to a layout, and takes over its
// index.json. Where there is no archive there is nothing to do.
func unpack(archive, root string) error {
	file, err := os.Open(archive)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	for headers := tar.NewReader(file); ; {
		header, err := headers.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(header.Name)
		if header.Typeflag != tar.TypeReg || !filepath.IsLocal(name) || name != ocispec.ImageIndexFile && !strings.HasPrefix(name, ocispec.ImageBlobsDir+"/") {
			continue
		}
		if err := unpackFile(filepath.Join(root, filepath.FromSlash(name)), headers); err != nil {
			return err
		}
	}
}

func unpackFile(name string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // G301: a layout holds no secrets of its own; its files are as readable.
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".unpack.*")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// Finish writes index.json and packs the layout.
func (t *archiveTarget) Finish(ctx context.Context, done finished) error {
	if err := t.layoutTarget.Finish(ctx, done); err != nil {
		return err
	}
	if err := t.pack(ctx); err != nil {
		return fmt.Errorf("write archive %s: %w", t.file, err)
	}
	t.written = true
	return nil
}

// pack writes the archive beside its place and moves it there.
func (t *archiveTarget) pack(ctx context.Context) error {
	file, err := os.CreateTemp(filepath.Dir(t.file), "."+filepath.Base(t.file)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(t.packTo(ctx, file), file.Chmod(0o644), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), t.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// packTo writes the files in an order and with a time that are always the same:
// equal layouts give equal archives.
func (t *archiveTarget) packTo(ctx context.Context, file io.Writer) error {
	archive := tar.NewWriter(file)
	root := os.DirFS(t.root)
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if !entry.Type().IsRegular() || strings.HasPrefix(path.Base(name), ".") {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
			return err
		}
		content, err := root.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(archive, content)
		return errors.Join(err, content.Close())
	})
	return errors.Join(err, archive.Close())
}

// Close removes the folder where the archive is complete.
func (t *archiveTarget) Close() error {
	if !t.written {
		return t.layoutTarget.Close()
	}
	return errors.Join(os.RemoveAll(t.root), t.lock.Close())
}
