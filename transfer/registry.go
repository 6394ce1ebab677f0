package transfer

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// registrySource is a repository that is copied from.
type registrySource struct {
	repository *client.Repository
	reference  client.Reference
}

func (s registrySource) Resolve(ctx context.Context) (client.Manifest, string, error) {
	m, err := s.repository.Manifest(ctx, s.reference.Reference())
	tag := s.reference.Tag
	if tag == "" && s.reference.Digest == "" {
		tag = s.reference.Reference()
	}
	return m, tag, err
}

func (s registrySource) Manifest(ctx context.Context, d ocispec.Descriptor) (client.Manifest, error) {
	return s.repository.Manifest(ctx, d.Digest.String())
}

func (s registrySource) Entry(ctx context.Context, d ocispec.Descriptor) (client.Manifest, bool, error) {
	return s.repository.Entry(ctx, d)
}

func (s registrySource) Blob(ctx context.Context, blob ocispec.Descriptor) (io.ReadCloser, error) {
	return s.repository.Blob(ctx, blob)
}

func (s registrySource) Referrers(ctx context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error) {
	return s.repository.Referrers(ctx, subject, query)
}

// Leaves implements [foreseer].
func (s registrySource) Leaves(ctx context.Context, root digest.Digest) (map[digest.Digest]bool, error) {
	return s.repository.Leaves(ctx, root)
}

// AllTagNames implements [foreseer].
func (s registrySource) AllTagNames(ctx context.Context) ([]string, error) {
	return s.repository.AllTagNames(ctx)
}

// registryTarget is a repository that is copied to.
type registryTarget struct {
	repository *client.Repository
	// sibling is the repository of the same registry that is copied from, whose
	// blobs can be mounted.
	sibling string
	pool    *pool
	// lists are the referrers tags that were written or are being written, by
	// subject and referrers.
	lists *memory[struct{}]
}

func newRegistryTarget(repository *client.Repository, slots *pool) *registryTarget {
	return &registryTarget{repository: repository, pool: slots, lists: newMemory[struct{}](remembered)}
}

func (t *registryTarget) HasBlob(ctx context.Context, blob ocispec.Descriptor) (bool, error) {
	return t.repository.HasBlob(ctx, blob)
}

func (t *registryTarget) PutBlob(ctx context.Context, blob ocispec.Descriptor, open func() (io.ReadCloser, error)) (Outcome, error) {
	if t.sibling != "" && t.sibling != t.repository.Reference.Repository {
		outcome := Mounted
		err := t.repository.MountBlob(ctx, blob, t.sibling, func() (io.ReadCloser, error) {
			outcome = Copied
			return open()
		})
		return outcome, err
	}
	content, err := open()
	if err != nil {
		return Copied, err
	}
	defer func() { _ = content.Close() }()
	return Copied, t.repository.PutBlob(ctx, blob, content)
}

// smallBlob is the size of blobs, in bytes, up to which one is as soon sent as asked
// for.
const smallBlob = 16 << 10

// Unasked reports whether a blob that is probably missing is better sent than asked
// for: it is small, and can't be mounted.
func (t *registryTarget) Unasked(blob ocispec.Descriptor) bool {
	return blob.Size <= smallBlob && t.sibling == ""
}

func (t *registryTarget) HasManifest(ctx context.Context, m client.Manifest, tag string) (bool, error) {
	sum, found, err := t.repository.Resolve(ctx, orDigest(tag, m))
	return found && sum == m.Digest, err
}

func (t *registryTarget) PutManifest(ctx context.Context, m client.Manifest, tag string) error {
	_, err := t.repository.PutManifest(ctx, m, orDigest(tag, m), client.Condition{})
	return err
}

// orDigest returns what a manifest is pushed under.
func orDigest(tag string, m client.Manifest) string {
	if tag == "" {
		return m.Digest.String()
	}
	return tag
}

// Prepare makes sure that no referrers tag that has to be written stands for
// something else. It returns what a registry with the referrers API lists.
func (t *registryTarget) Prepare(ctx context.Context, subjects []digest.Digest, known knownSubject) (listings, error) {
	var mutex sync.Mutex
	all := listings{}
	group, ctx := t.pool.workers(ctx)
	for _, subject := range subjects {
		group.Go(func() error {
			listing, supported, err := t.repository.ReferrersByAPI(ctx, subject)
			if err != nil {
				return err
			}
			if supported {
				mutex.Lock()
				defer mutex.Unlock()
				all[subject] = digestsOf(listing)
				return nil
			}
			_, found, err := t.repository.Resolve(ctx, oci.ReferrersTag(subject))
			if err != nil || !found {
				return err
			}
			_, _, err = t.repository.ReferrersTag(ctx, subject, known)
			return err
		})
	}
	return all, group.Wait()
}

// digestsOf returns the digests of a listing.
func digestsOf(listing []oci.Descriptor) map[digest.Digest]bool {
	digests := make(map[digest.Digest]bool, len(listing))
	for _, d := range listing {
		digests[d.Digest] = true
	}
	return digests
}

// Finish makes sure that every referrer is listed in the registry.
func (t *registryTarget) Finish(ctx context.Context, done finished) error {
	if err := t.tagLegacy(ctx, done); err != nil {
		return err
	}
	var mutex sync.Mutex
	lacking := map[digest.Digest][]client.Manifest{}
	group, groupCtx := t.pool.workers(ctx)
	for subject, referrers := range done.referrers {
		group.Go(func() error {
			listing, supported, err := t.repository.ReferrersByAPI(groupCtx, subject)
			switch {
			case err != nil:
				return err
			case supported:
				return t.listed(groupCtx, subject, listing, referrers)
			}
			mutex.Lock()
			defer mutex.Unlock()
			lacking[subject] = referrers
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return t.writeLists(ctx, lacking, done)
}

// writeLists writes referrers tags: that of a subject which images share once.
// Each waits by itself until others that write it too must be done.
func (t *registryTarget) writeLists(ctx context.Context, lacking map[digest.Digest][]client.Manifest, done finished) error {
	group, ctx := errgroup.WithContext(ctx)
	for subject, referrers := range lacking {
		key := subject.String()
		for _, m := range referrers {
			key += " " + m.Digest.String()
		}
		group.Go(func() error {
			_, _, err := t.lists.do(ctx, digest.FromString(key).String(), func() (struct{}, error) {
				pending := map[digest.Digest][]client.Manifest{subject: referrers}
				return struct{}{}, newTagWriter(t.repository, t.pool, done).write(ctx, pending)
			})
			return err
		})
	}
	return group.Wait()
}

// Tagged returns what has a tag.
func (t *registryTarget) Tagged(ctx context.Context, tag string) (digest.Digest, error) {
	sum, found, err := t.repository.Resolve(ctx, tag)
	if err != nil || !found {
		return "", err
	}
	return sum, nil
}

// PutTag gives a manifest a tag, but not one under which the registry's clients
// keep a list of referrers: that may be all that leads to these.
func (t *registryTarget) PutTag(ctx context.Context, m client.Manifest, tag string) error {
	if oci.IsReferrersTag(tag) {
		meaning, err := t.repository.TagMeaning(ctx, tag, nil)
		if err != nil {
			return err
		}
		if meaning.Kind == index.TagReferrers {
			return fmt.Errorf("%s:%s lists the referrers of %s, and is not written over: give the manifest another tag", t.repository.Reference, tag, meaning.Subject)
		}
	}
	return t.PutManifest(ctx, m, tag)
}

// Complete finds nothing left to do.
func (t *registryTarget) Complete(context.Context) error { return nil }

// Close finds nothing to give free.
func (t *registryTarget) Close() error { return nil }
