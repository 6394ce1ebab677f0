package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
		if err := one.visit(ctx, visit{reference: tag}); err != nil {
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
		if c.first(manifest) && c.visit(ctx, visit{reference: manifest.String()}) != nil {
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

// visit is what is to be read.
type visit struct {
	reference string
	// doubtful says that it may be a blob: an index lists it by a media type that
	// is neither known for a manifest nor for a blob.
	doubtful bool
}

// visit reads a manifest in a goroutine of its own, as soon as one may run.
func (c *crawl) visit(ctx context.Context, what visit) error {
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.group.Go(func() error {
		next, err := c.read(ctx, what)
		<-c.asking
		if err != nil {
			return err
		}
		for _, child := range next {
			if err := c.visit(ctx, child); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

// read reads a manifest and returns the ones to visit next. One that has gone
// meanwhile is none; one that can't be read is missed.
func (c *crawl) read(ctx context.Context, what visit) ([]visit, error) {
	byDigest := false
	reference := what.reference
	for range maxTries {
		mark, err := c.store.Mark(ctx)
		if err != nil {
			return nil, err
		}
		fetched, err := c.fetch(ctx, what.doubtful, reference)
		var record index.Record
		if err == nil {
			record, err = c.source.read(c.repository, reference, fetched)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, upstream.ErrNotFound), what.doubtful && (errors.Is(err, index.ErrManifest) || errors.Is(err, upstream.ErrInvalid)):
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
		return c.below(record.Manifest, fetched.Body), nil
	}
	c.missed(c.repository, reference, index.ErrStale)
	return nil, nil
}

// below returns what a manifest lists and nobody has visited yet.
func (c *crawl) below(manifest index.Manifest, body []byte) []visit {
	var next []visit
	for _, child := range children(manifest) {
		if c.first(child) {
			next = append(next, visit{reference: child.String()})
		}
	}
	for _, child := range index.DoubtfulEntries(body) {
		if c.first(child) {
			next = append(next, visit{reference: child.String(), doubtful: true})
		}
	}
	return next
}

// fetch fetches a manifest. Of a doubtful one, an answer other than the manifest
// says that it is a blob; registries give all sorts of these.
func (c *crawl) fetch(ctx context.Context, doubtful bool, reference string) (upstream.Manifest, error) {
	if !doubtful {
		return c.source.manifest(ctx, c.repository, reference)
	}
	fetched, err := c.source.manifestOnce(ctx, c.repository, reference)
	var status *upstream.StatusError
	switch {
	case !errors.As(err, &status) || status.Denied() || status.Status == http.StatusTooManyRequests:
		return fetched, err
	case status.Status < http.StatusInternalServerError:
		return fetched, errors.Join(upstream.ErrNotFound, err)
	}
	blob, err := c.source.hasBlob(ctx, index.Key{Repository: c.repository, Digest: digest.Digest(reference)})
	if blob {
		return fetched, upstream.ErrNotFound
	}
	if err != nil {
		return fetched, err
	}
	return c.source.manifest(ctx, c.repository, reference)
}
