package reconcile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Folders of CNCF Distribution's file system storage. Its layout is described
// there in registry/storage/paths.go.
const (
	repositoriesFolder = "repositories"
	blobsFolder        = "blobs"
	manifestsFolder    = "_manifests"
	revisionsFolder    = "_manifests/revisions"
)

// Bounds of what is held of a folder at once.
const (
	// storagePage is how many entries of a folder of revisions are kept in
	// memory; the folder is read again for the next ones.
	storagePage = 50_000
	// readAtOnce is how many entries the system is asked for.
	readAtOnce = 1024
	// maxLink is the largest file that can hold a digest.
	maxLink = 256
)

// Storage is the folder in which CNCF Distribution keeps its content. It shows
// the manifests that are neither tagged nor listed anywhere. Nothing is
// written, and nothing outside of the folder is read, wherever symbolic links
// point. It may be used concurrently, and beside a registry that runs.
type Storage struct {
	// root is the folder docker/registry/v2.
	root *os.Root
	page int
}

// OpenStorage opens the rootdirectory of a file system storage, or a folder of
// its docker/registry/v2. It fails where that is not the layout of CNCF
// Distribution.
func OpenStorage(dir string) (*Storage, error) {
	outer, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	defer func() { _ = outer.Close() }()
	var errs []error
	for _, below := range []string{"docker/registry/v2", "registry/v2", "v2", "."} {
		found, err := hasFolders(outer, path.Join(below, repositoriesFolder), path.Join(below, blobsFolder))
		if err != nil {
			errs = append(errs, err)
		}
		if !found {
			continue
		}
		root, err := outer.OpenRoot(below)
		if err != nil {
			return nil, fmt.Errorf("open storage: %w", err)
		}
		return &Storage{root: root, page: storagePage}, nil
	}
	return nil, errors.Join(fmt.Errorf("open storage: %s has no docker/registry/v2 with the folders %s and %s: "+
		"give the rootdirectory of a CNCF Distribution registry that has content", dir, repositoriesFolder, blobsFolder),
		errors.Join(errs...))
}

// hasFolders tells whether all of the names are folders.
func hasFolders(root *os.Root, names ...string) (bool, error) {
	for _, name := range names {
		info, err := root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return false, nil
		case err != nil:
			return false, err
		case !info.IsDir():
			return false, nil
		}
	}
	return true, nil
}

// Close gives the folder back to the system.
func (s *Storage) Close() error {
	return s.root.Close()
}

// Repositories lists the repositories in the order of their names. A folder
// that can't be read is an error among them; the sequence goes on behind it,
// unless ctx ended.
func (s *Storage) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		folder, err := s.root.OpenRoot(repositoriesFolder)
		if err != nil {
			yield("", fmt.Errorf("read storage: %w", err))
			return
		}
		defer func() { _ = folder.Close() }()
		walkRepositories(ctx, folder, "", yield)
	}
}

// walkRepositories yields the repositories whose names begin with parent,
// which is empty or ends in a slash. It is false where the walk is over.
func walkRepositories(ctx context.Context, folder *os.Root, parent string, yield func(string, error) bool) bool {
	visits, err := componentsOf(ctx, folder, parent)
	if err != nil && !yield("", fmt.Errorf("read storage folder %s/%s: %w", repositoriesFolder, parent, err)) {
		return false
	}
	for _, visit := range visits {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return false
		}
		component, below := strings.CutSuffix(visit, "/")
		follow := isRepository
		if below {
			follow = walkComponent
		}
		if !follow(ctx, folder, parent, component, yield) {
			return false
		}
	}
	return ctx.Err() == nil
}

// componentsOf returns what to visit in a folder of repositories: each
// component once as itself, and once, with a slash, for what is below it. In
// this order the names come out sorted, since "a-b" precedes "a/b".
func componentsOf(ctx context.Context, folder *os.Root, parent string) ([]string, error) {
	entries, err := readPage(ctx, folder, "", 0)
	var visits []string
	for _, entry := range entries {
		// Registries can't serve other names; "_manifests" is none either.
		if entry.folder && oci.ValidRepository(parent+entry.name) {
			visits = append(visits, entry.name, entry.name+"/")
		} else if entry.link && oci.ValidRepository(parent+entry.name) {
			err = errors.Join(err, fmt.Errorf("%s is a symbolic link, and not followed", entry.name))
		}
	}
	slices.Sort(visits)
	return visits, err
}

// isRepository yields a component that is a repository itself.
func isRepository(_ context.Context, folder *os.Root, parent, component string, yield func(string, error) bool) bool {
	info, err := folder.Lstat(path.Join(component, manifestsFolder))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil:
		return yield("", fmt.Errorf("read repository %s in storage: %w", parent+component, err))
	case !info.IsDir():
		return yield("", fmt.Errorf("read repository %s in storage: %s is not a folder", parent+component, manifestsFolder))
	default:
		return yield(parent+component, nil)
	}
}

// walkComponent yields the repositories below a component.
func walkComponent(ctx context.Context, folder *os.Root, parent, component string, yield func(string, error) bool) bool {
	below, err := folder.OpenRoot(component)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil:
		return yield("", fmt.Errorf("read storage folder %s/%s: %w", repositoriesFolder, parent+component, err))
	}
	defer func() { _ = below.Close() }()
	return walkRepositories(ctx, below, parent+component+"/", yield)
}

// Manifests lists the manifests of a repository in the order of their digests:
// the revisions that are linked, be they tagged or not. An unknown repository
// has none. What can't be read is an error among them; the sequence goes on
// behind it, unless ctx ended.
func (s *Storage) Manifests(ctx context.Context, repository string) iter.Seq2[digest.Digest, error] {
	return func(yield func(digest.Digest, error) bool) {
		report := func(err error) bool {
			return yield("", fmt.Errorf("read manifests of %s in storage: %w", repository, err))
		}
		if !oci.ValidRepository(repository) {
			report(fmt.Errorf("%w: repository name", index.ErrInvalid))
			return
		}
		revisions, err := s.root.OpenRoot(path.Join(repositoriesFolder, repository, revisionsFolder))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				report(err)
			}
			return
		}
		defer func() { _ = revisions.Close() }()
		algorithms, err := readPage(ctx, revisions, "", 0)
		if err != nil && !report(err) {
			return
		}
		for _, algorithm := range algorithms {
			if !s.revisions(ctx, revisions, algorithm, func(d digest.Digest) bool { return yield(d, nil) }, report) {
				return
			}
		}
	}
}

// revisions finds the linked revisions of one digest algorithm, page after
// page. It is false where the walk is over.
func (s *Storage) revisions(ctx context.Context, folder *os.Root, algorithm entry,
	found func(digest.Digest) bool, report func(error) bool,
) bool {
	if algorithm.file() {
		return true
	}
	if !digest.Algorithm(algorithm.name).Available() {
		return report(fmt.Errorf("digest algorithm %q is not known", algorithm.name))
	}
	below, err := folder.OpenRoot(algorithm.name)
	if err != nil {
		return report(err)
	}
	defer func() { _ = below.Close() }()
	for after := ""; ; {
		page, err := readPage(ctx, below, after, s.page)
		for _, revision := range page {
			after = revision.name
			manifest := digest.NewDigestFromEncoded(digest.Algorithm(algorithm.name), revision.name)
			linked, err := isLinked(below, manifest, revision)
			if err != nil && !report(err) || linked && !found(manifest) {
				return false
			}
			if ctx.Err() != nil {
				break
			}
		}
		switch {
		case ctx.Err() != nil:
			report(ctx.Err())
			return false
		case err != nil:
			return report(err)
		case len(page) < s.page:
			return true
		}
	}
}

// isLinked tells whether a revision is one of the repository. The link of a
// manifest that was deleted is gone, while its folder stays.
func isLinked(folder *os.Root, manifest digest.Digest, revision entry) (bool, error) {
	if revision.file() {
		return false, nil
	}
	if err := manifest.Validate(); err != nil {
		return false, fmt.Errorf("%q: %w", revision.name, err)
	}
	content, err := readFile(folder, path.Join(revision.name, "link"), maxLink)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case string(content) != manifest.String():
		return false, fmt.Errorf("link of %s holds %.100q", manifest, content)
	}
	return true, nil
}

// readFile reads a file of at most limit bytes. What is not a file, such as a
// pipe, is not opened.
func readFile(folder *os.Root, name string, limit int64) ([]byte, error) {
	info, err := folder.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", name)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s has %d bytes, more than the limit of %d", name, info.Size(), limit)
	}
	file, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var content bytes.Buffer
	content.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := content.ReadFrom(io.LimitReader(file, limit+1)); err != nil {
		return nil, err
	}
	if int64(content.Len()) > limit {
		return nil, fmt.Errorf("%s has more than the limit of %d bytes", name, limit)
	}
	return content.Bytes(), nil
}

// entry is one name in a folder.
type entry struct {
	name string
	// folder and link say what it is.
	folder, link bool
}

// file tells whether it is neither folder nor link. Where folders are expected
// it is none of the registry's.
func (e entry) file() bool {
	return !e.folder && !e.link
}

// readPage reads the entries of a folder behind a name, sorted: at most limit,
// or all where that is 0. It holds no more than twice as many at once. Beside
// an error it returns what could be read.
func readPage(ctx context.Context, folder *os.Root, after string, limit int) ([]entry, error) {
	file, err := folder.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var kept []entry
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		read, err := file.ReadDir(readAtOnce)
		for _, e := range read {
			if e.Name() > after {
				kept = append(kept, entry{e.Name(), e.IsDir(), e.Type()&fs.ModeSymlink != 0})
			}
		}
		if err != nil || limit > 0 && len(kept) >= 2*limit {
			kept = first(kept, limit)
		}
		switch {
		case errors.Is(err, io.EOF):
			return kept, nil
		case err != nil:
			return kept, err
		}
	}
}

// first returns the entries that come first by name: at most limit, or all
// where that is 0.
func first(entries []entry, limit int) []entry {
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	if limit > 0 && len(entries) > limit {
		return entries[:limit]
	}
	return entries
}
