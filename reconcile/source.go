package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/opencontainers/go-digest"
	"golang.org/x/time/rate"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// maxTries is how often a question is asked before it is given up.
const maxTries = 5

// maxPause bounds what a registry can make us wait by Retry-After.
const maxPause = time.Minute

// Source is the registry as maintenance asks it: with the service's own
// credentials, politely, and again where it may help. It may be used
// concurrently.
type Source struct {
	registry *upstream.Registry
	as       upstream.Credentials
	limiter  *rate.Limiter
	limits   config.Limits
	// concurrency is how many entries of one tag are read at once.
	concurrency int
	// anonymous says that the registry is said to let anyone read.
	anonymous bool
	now       func() time.Time
}

// NewSource returns the registry as maintenance asks it. now may be nil.
func NewSource(behind *upstream.Registry, cfg config.Config, now func() time.Time) *Source {
	if now == nil {
		now = time.Now
	}
	as, _ := behind.Service()
	return &Source{
		registry: behind, as: as, now: now, limits: cfg.Limits, concurrency: cfg.Reconcile.Concurrency,
		anonymous: cfg.Upstream.Service.Anonymous,
		limiter:   rate.NewLimiter(rate.Limit(cfg.Reconcile.Rate), max(1, cfg.Reconcile.Concurrency)),
	}
}

// ask asks one question within the rate. What may pass is tried again. A
// refusal says which credentials are missing.
func ask[T any](ctx context.Context, s *Source, question func(context.Context) (T, error)) (T, error) {
	answer, err := backoff.Retry(ctx, func() (T, error) {
		if err := s.limiter.Wait(ctx); err != nil {
			var none T
			return none, backoff.Permanent(err)
		}
		answer, err := question(ctx)
		return answer, retryable(err)
	}, backoff.WithMaxTries(maxTries))
	return answer, s.explain(err)
}

// retryable tells the library what may pass and how long to wait for it.
func retryable(err error) error {
	var status *upstream.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && busy(status.Status):
		if seconds, parseErr := strconv.Atoi(status.Header.Get("Retry-After")); parseErr == nil && seconds >= 0 {
			return errors.Join(err, backoff.RetryAfter(min(seconds, int(maxPause/time.Second))))
		}
		return err
	case errors.Is(err, upstream.ErrUnreachable), errors.Is(err, errListChanged):
		return err
	default:
		return backoff.Permanent(err)
	}
}

func busy(status int) bool {
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError && status != http.StatusNotImplemented
}

// has asks whether the registry has a manifest.
func (s *Source) has(ctx context.Context, key index.Key) (bool, error) {
	return ask(ctx, s, func(ctx context.Context) (bool, error) {
		return s.registry.Has(ctx, s.as, key.Repository, key.Digest)
	})
}

// manifest fetches a manifest by tag or digest.
func (s *Source) manifest(ctx context.Context, repository, reference string) (upstream.Manifest, error) {
	return ask(ctx, s, func(ctx context.Context) (upstream.Manifest, error) {
		return s.registry.Manifest(ctx, s.as, repository, reference, int64(s.limits.ManifestSize))
	})
}

// reader returns what judges the tags of the registry.
func (s *Source) reader(store index.Store) *registry.Reader {
	return &registry.Reader{
		Upstream: s.registry, As: s.as, Records: store,
		Limits: registry.Limits{
			Manifest: s.manifestLimits(), Size: int64(s.limits.ManifestSize),
			Entries: s.limits.TagEntries, Concurrency: s.concurrency,
		},
		Ask: func(ctx context.Context, question func(context.Context) error) error {
			_, err := ask(ctx, s, func(ctx context.Context) (struct{}, error) { return struct{}{}, question(ctx) })
			return err
		},
	}
}

// manifestOnce fetches a manifest that may be none: to ask again does not help.
func (s *Source) manifestOnce(ctx context.Context, repository, reference string) (upstream.Manifest, error) {
	if err := s.limiter.Wait(ctx); err != nil {
		return upstream.Manifest{}, err
	}
	fetched, err := s.registry.Manifest(ctx, s.as, repository, reference, int64(s.limits.ManifestSize))
	return fetched, s.explain(err)
}

// hasBlob asks whether the registry has a blob.
func (s *Source) hasBlob(ctx context.Context, key index.Key) (bool, error) {
	return ask(ctx, s, func(ctx context.Context) (bool, error) {
		return s.registry.HasBlob(ctx, s.as, key.Repository, key.Digest)
	})
}

// ownTags returns what writes and deletes in the registry.
func (s *Source) ownTags(store index.Store) registry.OwnTags {
	return registry.OwnTags{Reader: s.reader(store)}
}

// dropReferrers deletes an index of referrers that is not needed any more, and
// its record, which would be asked for twice before it goes.
func (s *Source) dropReferrers(ctx context.Context, store index.Maintainer, repository, tag string, list digest.Digest) error {
	mark, err := store.Mark(ctx)
	if err != nil {
		return err
	}
	if err := s.ownTags(store).DropReferrers(ctx, repository, tag, list); err != nil {
		return err
	}
	err = store.Forget(ctx, mark, repository, list)
	if errors.Is(err, index.ErrStale) {
		return nil
	}
	return err
}

// read reads what was fetched. Where that can't be read as a manifest the error
// matches [index.ErrManifest].
func (s *Source) read(repository, reference string, fetched upstream.Manifest) (index.Record, error) {
	manifest, err := s.manifestLimits().ParseServed(fetched.MediaType, fetched.Digest.Algorithm(), fetched.Body)
	if err != nil {
		return index.Record{}, fmt.Errorf("manifest %s of %s: %w", reference, repository, err)
	}
	return index.Record{Repository: repository, Manifest: manifest, Seen: s.now()}, nil
}

// manifestLimits are those that manifests were pushed within.
func (s *Source) manifestLimits() index.ManifestLimits {
	return index.ManifestLimits{
		Depth: s.limits.ManifestDepth, Descriptors: s.limits.ManifestDescriptors, Annotations: s.limits.ManifestAnnotations,
	}
}

// errListChanged means that a list broke off where a page was asked for by a name
// that is gone meanwhile.
var errListChanged = errors.New("the list changed while it was read")

// tags returns all tags of a repository; none where it has no list.
func (s *Source) tags(ctx context.Context, repository string) ([]string, error) {
	return ask(ctx, s, func(ctx context.Context) ([]string, error) {
		var all []string
		for tag, err := range s.registry.Tags(ctx, s.as, repository, s.limits.ListEntries) {
			switch {
			case errors.Is(err, upstream.ErrNotFound) && len(all) > 0:
				return nil, fmt.Errorf("%w: %w", errListChanged, err)
			case errors.Is(err, upstream.ErrNotFound):
				return nil, nil
			case err != nil:
				return nil, err
			}
			all = append(all, tag)
		}
		return all, nil
	})
}

// repositories returns the catalog.
func (s *Source) repositories(ctx context.Context) ([]string, error) {
	return ask(ctx, s, func(ctx context.Context) ([]string, error) {
		var all []string
		for repository, err := range s.registry.Repositories(ctx, s.as, s.limits.ListEntries) {
			if err != nil {
				return nil, err
			}
			all = append(all, repository)
		}
		return all, nil
	})
}

// children returns the manifests that an image index lists.
func children(manifest index.Manifest) []digest.Digest {
	var all []digest.Digest
	for _, edge := range manifest.Edges {
		if edge.Kind == index.EdgeManifest {
			all = append(all, edge.Target)
		}
	}
	return all
}
