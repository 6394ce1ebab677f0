package transfer

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	orasoci "oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// layoutSource is an image layout that is copied from.
type layoutSource struct {
	location Location
	entries  []ocispec.Descriptor
	store    *orasoci.ReadOnlyStore
}

// openLayoutSource opens a layout and reads which of its manifests name which.
func openLayoutSource(ctx context.Context, location Location) (*layoutSource, error) {
	var store *orasoci.ReadOnlyStore
	var document []byte
	var err error
	if location.Kind == Archive {
		if document, err = readArchived(location.Path, ocispec.ImageIndexFile); err == nil {
			store, err = orasoci.NewFromTar(ctx, location.Path)
		}
	} else {
		if document, err = os.ReadFile(filepath.Join(location.Path, ocispec.ImageIndexFile)); err == nil {
			store, err = orasoci.NewFromFS(ctx, os.DirFS(location.Path))
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s holds no OCI image layout: %w", location.Path, err)
	case err != nil:
		return nil, fmt.Errorf("open layout %s: %w", location.Path, err)
	}
	entries, err := readEntries(document)
	if err != nil {
		return nil, fmt.Errorf("read index.json of %s: %w", location.Path, err)
	}
	return &layoutSource{location, entries, store}, nil
}

// readArchived reads one file of a tar archive.
func readArchived(archive, name string) ([]byte, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	for headers := tar.NewReader(file); ; {
		header, err := headers.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%s in %s: %w", name, archive, fs.ErrNotExist)
		case err != nil:
			return nil, fmt.Errorf("read archive %s: %w", archive, err)
		case path.Clean(header.Name) == name:
			return io.ReadAll(headers)
		}
	}
}

func readEntries(document []byte) ([]ocispec.Descriptor, error) {
	var parsed ocispec.Index
	err := json.Unmarshal(document, &parsed)
	return parsed.Manifests, err
}

// refName returns the name that an entry of index.json has.
func refName(entry ocispec.Descriptor) string {
	return entry.Annotations[ocispec.AnnotationRefName]
}

func (s *layoutSource) byDigest(ctx context.Context, sum digest.Digest) (client.Manifest, error) {
	d, err := s.store.Resolve(ctx, sum.String())
	if err != nil {
		return client.Manifest{}, fmt.Errorf("find %s in %s: %w", sum, s.location.Path, err)
	}
	return s.Manifest(ctx, d)
}

// Manifest reads a manifest that index.json or another manifest names.
func (s *layoutSource) Manifest(ctx context.Context, d ocispec.Descriptor) (client.Manifest, error) {
	m, err := layoutManifest(ctx, s.store, d)
	if errors.Is(err, errdef.ErrNotFound) {
		err = fmt.Errorf("%w: %w", client.ErrNotFound, err)
	}
	if err != nil {
		return client.Manifest{}, fmt.Errorf("%s: %w", s.location.Path, err)
	}
	return m, nil
}

// Entry implements [source]. A layout keeps blobs and manifests alike.
func (s *layoutSource) Entry(ctx context.Context, d ocispec.Descriptor) (client.Manifest, bool, error) {
	m, err := s.Manifest(ctx, d)
	if errors.Is(err, index.ErrManifest) {
		return m, false, nil
	}
	return m, true, err
}

func (s *layoutSource) Blob(ctx context.Context, blob ocispec.Descriptor) (io.ReadCloser, error) {
	reader, err := s.store.Fetch(ctx, blob)
	if errors.Is(err, errdef.ErrNotFound) {
		err = fmt.Errorf("%w: %w", client.ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read blob %s of %s: %w", blob.Digest, s.location.Path, err)
	}
	return reader, nil
}

// Referrers returns those that index.json, or a manifest that it leads to,
// holds, by their own word.
func (s *layoutSource) Referrers(ctx context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error) {
	manifests, err := layoutReferrers(ctx, s.store, subject)
	if err != nil {
		return nil, fmt.Errorf("list referrers of %s in %s: %w", subject, s.location.Path, err)
	}
	all := make([]oci.Descriptor, len(manifests))
	for i, m := range manifests {
		all[i] = m.Descriptor()
	}
	if query.Legacy {
		if all, err = s.withLegacy(ctx, subject, all); err != nil {
			return nil, err
		}
	}
	return client.Select(all, query), nil
}

// layoutReferrers reads the manifests of a layout that have a subject.
func layoutReferrers(ctx context.Context, store content.ReadOnlyGraphStorage, subject digest.Digest) ([]client.Manifest, error) {
	parents, err := store.Predecessors(ctx, ocispec.Descriptor{Digest: subject})
	if err != nil {
		return nil, err
	}
	var referrers []client.Manifest
	for _, parent := range parents {
		body, err := content.FetchAll(ctx, store, parent)
		if err != nil {
			return nil, err
		}
		m, err := client.ParseManifest(parent.MediaType, parent.Digest, body)
		if err != nil {
			return nil, err
		}
		if m.Subject() == subject {
			referrers = append(referrers, m)
		}
	}
	slices.SortFunc(referrers, func(a, b client.Manifest) int { return cmp.Compare(a.Digest, b.Digest) })
	return referrers, nil
}
