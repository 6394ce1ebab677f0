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
	"syscall"

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
	if err := checkArchive(file); err != nil {
		return nil, fmt.Errorf("read archive %s: %w", file, err)
	}
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

// checkArchive makes sure, before anything is made beside it, that what lies in
// the place of an archive is one with a layout, or empty, or nothing.
func checkArchive(archive string) error {
	layout, files := false, 0
	err := eachArchived(archive, func(name string, _ io.Reader) error {
		layout = layout || name == ocispec.ImageIndexFile
		files++
		return nil
	})
	if err == nil && files > 0 && !layout {
		err = errors.New("it holds something else and no image layout; give another file")
	}
	return err
}

// unpack adds the files of an archive to a layout, those of others too. The
// marker file stays: whoever writes to the layout holds it. Where there is no
// archive there is nothing to do.
func unpack(archive, root string) error {
	return eachArchived(archive, func(name string, content io.Reader) error {
		if name == ocispec.ImageLayoutFile || isTemporary(path.Base(name)) {
			return nil
		}
		return unpackFile(filepath.Join(root, filepath.FromSlash(name)), content)
	})
}

// eachArchived visits the regular files of an archive, if there is one.
func eachArchived(archive string, visit func(name string, content io.Reader) error) error {
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
		if header.Typeflag != tar.TypeReg || !filepath.IsLocal(name) {
			continue
		}
		if err := visit(name, headers); err != nil {
			return err
		}
	}
}

func unpackFile(name string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // G301: a layout holds no secrets of its own; its files are as readable.
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), temporaryPrefix+"*")
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

// Complete writes index.json and packs the layout.
func (t *archiveTarget) Complete(ctx context.Context) error {
	if err := t.layoutTarget.Complete(ctx); err != nil {
		return err
	}
	if err := t.pack(ctx); err != nil {
		return fmt.Errorf("write archive %s: %w", t.file, err)
	}
	t.written = true
	return nil
}

// pack writes the archive into the folder, where one that was stopped is
// written over, and moves it to its place.
func (t *archiveTarget) pack(ctx context.Context) error {
	file, err := os.Create(filepath.Join(t.root, temporaryPrefix+"archive"))
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
		if !entry.Type().IsRegular() || isTemporary(path.Base(name)) {
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
	return errors.Join(t.remove(), t.lock.Close())
}

// remove takes the folder away, its marker file last: without that it would be
// another's for whoever comes meanwhile.
func (t *archiveTarget) remove() error {
	entries, err := os.ReadDir(t.root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != ocispec.ImageLayoutFile {
			err = errors.Join(err, os.RemoveAll(filepath.Join(t.root, entry.Name())))
		}
	}
	if err == nil {
		err = os.Remove(filepath.Join(t.root, ocispec.ImageLayoutFile))
	}
	if err != nil {
		return err
	}
	if err := os.Remove(t.root); !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // the next copy is in it already
}
