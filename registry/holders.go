package registry

import (
	"context"
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// tagNames are the tags of a repository by what they stand for: those that hold a
// manifest. A hidden tag holds none, nor does a referrers tag: they are there
// because of the referrer.
type tagNames struct {
	// tags has one tag of each manifest that has some, the first by name.
	tags map[digest.Digest]string
	// lists are the manifests behind referrers tags.
	lists map[digest.Digest]bool
}

// tagNames reads all tags of the caller's repository and what they stand for, as
// the caller, limits.upstreamQueries at once. Where one can't be had, there is no
// answer.
func (r *Registry) tagNames(ctx context.Context, caller *Caller) (tagNames, error) {
	found := tagNames{tags: map[digest.Digest]string{}, lists: map[digest.Digest]bool{}}
	var names []string
	for name, err := range r.Tags(ctx, caller) {
		if errors.Is(err, upstream.ErrNotFound) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		names = append(names, name)
	}
	known, err := r.knownReferrers(ctx, caller, names)
	if err != nil {
		return found, err
	}
	var mutex sync.Mutex
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for _, name := range names {
		if known[name] {
			continue
		}
		group.Go(func() error {
			manifest, list, err := r.tagHolds(within, caller, name)
			if err != nil || manifest == "" {
				return err
			}
			mutex.Lock()
			defer mutex.Unlock()
			if list {
				found.lists[manifest] = true
			} else if before, tagged := found.tags[manifest]; !tagged || name < before {
				found.tags[manifest] = name
			}
			return nil
		})
	}
	return found, group.Wait()
}

// tagHolds returns the manifest that a tag stands for, empty where it holds none,
// and whether that is a list of referrers.
func (r *Registry) tagHolds(ctx context.Context, caller *Caller, tag string) (manifest digest.Digest, list bool, err error) {
	switch {
	case oci.IsOwnTag(tag):
		hidden, err := r.isOwn(ctx, caller, tag)
		if hidden || err != nil {
			return "", false, err
		}
	case oci.IsReferrersTag(tag):
		if list, err = r.listsReferrers(ctx, caller, tag); err != nil {
			return "", false, err
		}
	}
	manifest, err = r.tagDigest(ctx, caller, tag)
	if errors.Is(err, upstream.ErrNotFound) {
		return "", false, nil
	}
	return manifest, list, err
}

// listersPage is how many parents of a manifest are read at once.
const listersPage = 500

// listers returns the image indexes that list a manifest, as far as the upstream
// has them: those that are no more than a list of referrers are left out, be they
// behind a referrers tag, or behind none any more.
func (r *Registry) listers(ctx context.Context, caller *Caller, manifest digest.Digest, lists map[digest.Digest]bool) ([]digest.Digest, error) {
	var listers []digest.Digest
	for after := (index.Parent{}); ; {
		parents, err := r.store.Parents(ctx, caller.repository, manifest, after, listersPage)
		if err != nil {
			return nil, err
		}
		for _, parent := range parents {
			after = parent
			if parent.Kind != index.EdgeManifest || lists[parent.Digest] {
				continue
			}
			holds, err := r.holdsListed(ctx, caller, parent.Digest)
			if err != nil {
				return nil, err
			}
			if holds {
				listers = append(listers, parent.Digest)
			}
		}
		if len(parents) < listersPage {
			return listers, nil
		}
	}
}

// holdsListed tells whether an image index is there, and more than a list of the
// referrers of one subject.
func (r *Registry) holdsListed(ctx context.Context, caller *Caller, list digest.Digest) (bool, error) {
	record, err := r.store.Get(ctx, caller.repository, list)
	if errors.Is(err, index.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	listed, err := r.listsOnlyReferrers(ctx, record)
	if listed || err != nil {
		return false, err
	}
	return r.upstream.Has(ctx, caller.as, caller.repository, list)
}

// listsOnlyReferrers tells whether all that an image index lists refers to one
// subject, as a list does that a client kept under a referrers tag.
func (r *Registry) listsOnlyReferrers(ctx context.Context, record index.Record) (bool, error) {
	listed := listedManifests(record.Manifest)
	if len(listed) == 0 || record.Subject() != "" {
		return false, nil
	}
	subjects, err := r.store.Subjects(ctx, record.Repository, listed)
	if err != nil {
		return false, err
	}
	for _, subject := range subjects {
		if subject == "" || subject != subjects[0] {
			return false, nil
		}
	}
	return true, nil
}
