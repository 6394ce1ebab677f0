package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// crawler finds the manifests of one repository: those that are tagged, those
// that indexes and referrers tags list, and those that a storage knows.
type crawler struct {
	source *Source
	store  index.Store
	// storage may be nil.
	storage *Storage
	// asking bounds the questions at once, over all repositories.
	asking chan struct{}
	// missed is told of what could not be read.
	missed func(repository, reference string, err error)
}

// crawl is the state of one repository.
type crawl struct {
	*crawler
	repository string
	found      func(index.Mark, index.Record) error
	group      *errgroup.Group

	mutex sync.Mutex
	seen  map[digest.Digest]bool
}

// repository calls found, from several goroutines, for each manifest of a
// repository, with a mark from before it was read. Where that answers
// [index.ErrStale] the manifest is read again. It ends with the first other
// error of found or ctx.
func (c *crawler) repository(ctx context.Context, repository string, found func(index.Mark, index.Record) error) error {
	group, ctx := errgroup.WithContext(ctx)
	one := &crawl{crawler: c, repository: repository, found: found, group: group, seen: map[digest.Digest]bool{}}
	tags, err := c.source.tags(ctx, repository)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.missed(repository, "", err)
	}
	for _, tag := range tags {
		if err := one.visit(ctx, tag); err != nil {
			break
		}
	}
	if c.storage != nil {
		one.walkStorage(ctx)
	}
	return group.Wait()
}

func (c *crawl) walkStorage(ctx context.Context) {
	for manifest, err := range c.storage.Manifests(ctx, c.repository) {
		if err != nil {
			c.missed(c.repository, "", err)
			continue
		}
		if c.first(manifest) && c.visit(ctx, manifest.String()) != nil {
			return
		}
	}
}

// first tells whether a digest has not been seen before.
func (c *crawl) first(manifest digest.Digest) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.seen[manifest] {
		return false
	}
	c.seen[manifest] = true
	return true
}

// visit reads a manifest in a goroutine of its own, as soon as one may run.
func (c *crawl) visit(ctx context.Context, reference string) error {
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.group.Go(func() error {
		next, err := c.read(ctx, reference)
		<-c.asking
		if err != nil {
			return err
		}
		for _, child := range next {
			if err := c.visit(ctx, child.String()); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

// read reads a manifest and returns the ones to visit next. One that has gone
// meanwhile is none; one that can't be read is missed.
func (c *crawl) read(ctx context.Context, reference string) ([]digest.Digest, error) {
	byDigest := false
	for range maxTries {
		mark, err := c.store.Mark(ctx)
		if err != nil {
			return nil, err
		}
		record, err := c.source.record(ctx, c.repository, reference)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, upstream.ErrNotFound):
			return nil, nil
		case err != nil:
			c.missed(c.repository, reference, err)
			return nil, nil
		}
		if byDigest = byDigest || reference == record.Digest.String(); !byDigest {
			if !c.first(record.Digest) {
				return nil, nil
			}
			// What the tag stands for is this crawl's to read from now on, even
			// if the tag moves.
			reference, byDigest = record.Digest.String(), true
		}
		err = c.found(mark, record)
		switch {
		case errors.Is(err, index.ErrStale):
			continue
		case err != nil:
			return nil, fmt.Errorf("record %s of %s: %w", record.Digest, c.repository, err)
		}
		return slices.DeleteFunc(children(record.Manifest), func(child digest.Digest) bool { return !c.first(child) }), nil
	}
	c.missed(c.repository, reference, index.ErrStale)
	return nil, nil
}
