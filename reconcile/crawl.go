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
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// crawler finds the manifests of one repository: those that are tagged, those
// that indexes and referrers tags list, and those that a storage knows.
type crawler struct {
	source *Source
	// history is that of the index.
	history registry.Marker
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
func (c *crawl) read(ctx context.Context, what visit) (next []visit, err error) {
	byDigest := false
	reference := what.reference
	err = registry.UnderMark(ctx, c.history, func(ctx context.Context, mark index.Mark) error {
		found, err := c.manifest(ctx, what.doubtful, reference)
		outcome := registry.OutcomeOf(err)
		switch unreadable := outcome == registry.OutcomeUnreadable || outcome == registry.OutcomeExcessive; {
		case ctx.Err() != nil:
			return ctx.Err()
		case outcome == registry.OutcomeGone, what.doubtful && unreadable:
			return nil
		case err != nil && found.Digest != "":
			c.missed(c.repository, reference, fmt.Errorf("manifest %s of %s: %w", reference, c.repository, err))
			return nil
		case err != nil:
			c.missed(c.repository, reference, err)
			return nil
		}
		if byDigest = byDigest || reference == found.Digest.String(); !byDigest {
			if !c.first(found.Digest) {
				return nil
			}
			// What the tag stands for is this crawl's to read from now on, even
			// if the tag moves.
			reference, byDigest = found.Digest.String(), true
		}
		err = c.found(mark, index.Record{Repository: c.repository, Manifest: found.Manifest, Seen: c.source.now()})
		if err != nil {
			return fmt.Errorf("record %s of %s: %w", found.Digest, c.repository, err)
		}
		next = c.below(found)
		return nil
	})
	if errors.Is(err, index.ErrStale) {
		c.missed(c.repository, reference, index.ErrStale)
		return nil, nil
	}
	return next, err
}

// below returns what a manifest lists and nobody has visited yet.
func (c *crawl) below(found registry.Found) []visit {
	var next []visit
	for _, child := range found.Manifests() {
		if c.first(child) {
			next = append(next, visit{reference: child.String()})
		}
	}
	for _, child := range index.DoubtfulEntries(found.Body) {
		if c.first(child) {
			next = append(next, visit{reference: child.String(), doubtful: true})
		}
	}
	return next
}

// manifest reads a manifest. Of a doubtful one, an answer other than the manifest
// says that it is a blob; registries give all sorts of these.
func (c *crawl) manifest(ctx context.Context, doubtful bool, reference string) (registry.Found, error) {
	if !doubtful {
		return c.source.Manifest(ctx, c.repository, reference)
	}
	found, err := c.source.once.Manifest(ctx, c.repository, reference)
	var status *upstream.StatusError
	switch {
	case !errors.As(err, &status) || status.Denied() || status.Status == http.StatusTooManyRequests:
		return found, err
	case status.Status < http.StatusInternalServerError:
		return found, errors.Join(upstream.ErrNotFound, err)
	}
	blob, err := c.source.HasBlob(ctx, c.repository, digest.Digest(reference))
	if blob {
		return found, upstream.ErrNotFound
	}
	if err != nil {
		return found, err
	}
	return c.source.Manifest(ctx, c.repository, reference)
}
