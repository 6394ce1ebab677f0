package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/opencontainers/go-digest"
	"golang.org/x/time/rate"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// maxTries is how often a question is asked before it is given up.
const maxTries = 5

// maxPause bounds what a registry can make us wait by Retry-After.
const maxPause = time.Minute

// Index is what a [Source] asks of the index, and tells it.
type Index interface {
	registry.Records
	registry.Observer
	// Forget is that of [index.Maintainer].
	Forget(ctx context.Context, mark index.Mark, repository string, manifest digest.Digest) error
}

// SourceOptions are what a [Source] is made of. All are required but Anonymous
// and Now.
type SourceOptions struct {
	Upstream *upstream.Registry
	Index    Index
	// Limits bound what is read. Of them Manifest, Size, Entries, Descriptor,
	// ListEntries and Concurrency count here.
	Limits registry.Limits
	// Rate is the most questions a second.
	Rate int
	// Anonymous says that the registry is said to let anyone read.
	Anonymous bool
	// Now tells the time; nil for the system's clock.
	Now func() time.Time
}

// Source is the registry as maintenance asks it: as the service, politely, and
// again where it may help. It may be used concurrently.
type Source struct {
	*registry.Reader
	// once is the same without asking again: of what may be no manifest the first
	// answer says enough.
	once      *registry.Reader
	index     Index
	limiter   *rate.Limiter
	limits    atomic.Pointer[registry.Limits]
	anonymous bool
	now       func() time.Time
}

// NewSource returns the registry as maintenance asks it.
func NewSource(o SourceOptions) *Source {
	if o.Now == nil {
		o.Now = time.Now
	}
	as, _ := o.Upstream.Service()
	s := &Source{
		index: o.Index, now: o.Now, anonymous: o.Anonymous,
		limiter: rate.NewLimiter(rate.Limit(o.Rate), max(1, o.Limits.Concurrency)),
	}
	s.limits.Store(&o.Limits)
	s.Reader = &registry.Reader{Upstream: o.Upstream, As: as, Records: o.Index, Limits: s.limits.Load, Ask: s.askAgain}
	s.once = &registry.Reader{Upstream: o.Upstream, As: as, Records: o.Index, Limits: s.limits.Load, Ask: s.askOnce}
	return s
}

// SetLimits has other limits, and another rate, count from now on, but for
// Concurrency: how much is asked at once stays with who asks.
func (s *Source) SetLimits(limits registry.Limits, perSecond int) {
	s.limits.Store(&limits)
	s.limiter.SetLimit(rate.Limit(perSecond))
}

// pace waits as long as the rate asks of who has others ask some questions.
func (s *Source) pace(ctx context.Context, questions int) error {
	for range questions {
		if err := s.limiter.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// askAgain is the Ask of a reader that asks again where it may help.
func (s *Source) askAgain(ctx context.Context, question func(context.Context) error) error {
	_, err := ask(ctx, s, func(ctx context.Context) (struct{}, error) { return struct{}{}, question(ctx) })
	return err
}

// askOnce is the Ask of a reader that only keeps to the rate.
func (s *Source) askOnce(ctx context.Context, question func(context.Context) error) error {
	if err := s.limiter.Wait(ctx); err != nil {
		return err
	}
	return s.explain(question(ctx))
}

// ask asks one question within the rate. What may pass is tried again. An error
// says what an operator can do.
func ask[T any](ctx context.Context, s *Source, question func(context.Context) (T, error)) (T, error) {
	answer, err := askPlainly(ctx, s, question)
	return answer, s.explain(err)
}

// askPlainly is ask with the error as it is.
func askPlainly[T any](ctx context.Context, s *Source, question func(context.Context) (T, error)) (T, error) {
	return backoff.Retry(ctx, func() (T, error) {
		if err := s.limiter.Wait(ctx); err != nil {
			var none T
			return none, backoff.Permanent(err)
		}
		answer, err := question(ctx)
		return answer, s.retryable(err)
	}, backoff.WithMaxTries(maxTries))
}

// retryable tells the library what may pass and how long to wait for it.
func (s *Source) retryable(err error) error {
	var status *upstream.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && status.Busy():
		if seconds, parseErr := strconv.Atoi(status.Header.Get("Retry-After")); parseErr == nil && seconds >= 0 {
			return errors.Join(err, backoff.RetryAfter(min(seconds, int(maxPause/time.Second))))
		}
		return err
	case s.Upstream.FaultOf(err).Lasts():
		return backoff.Permanent(err)
	case errors.Is(err, upstream.ErrUnreachable), errors.Is(err, errListChanged):
		return err
	default:
		return backoff.Permanent(err)
	}
}

// has asks whether the registry has the manifest of a record.
func (s *Source) has(ctx context.Context, key index.Key) (bool, error) {
	return s.Has(ctx, key.Repository, key.Digest)
}

// ownTags returns what writes and deletes in the registry.
func (s *Source) ownTags() registry.OwnTags {
	return registry.OwnTags{Reader: s.Reader}
}

// importTag has the index learn of the referrers that a referrers tag lists, and
// tells what stands behind it.
func (s *Source) importTag(ctx context.Context, repository, tag string) (registry.Judged, error) {
	return s.ImportTag(ctx, s.index, repository, tag, s.now)
}

// dropReferrers deletes an index of referrers that is not needed any more, and
// its record, which would be asked for twice before it goes.
func (s *Source) dropReferrers(ctx context.Context, repository, tag string, list digest.Digest) error {
	mark, err := s.index.Mark(ctx)
	if err != nil {
		return err
	}
	if err := s.ownTags().DropReferrers(ctx, repository, tag, list); err != nil {
		return err
	}
	err = s.index.Forget(ctx, mark, repository, list)
	if errors.Is(err, index.ErrStale) {
		return nil
	}
	return err
}

// errListChanged means that a list broke off where a page was asked for by a name
// that is gone meanwhile.
var errListChanged = errors.New("the list changed while it was read")

// tags returns all tags of a repository; none where it has no list.
func (s *Source) tags(ctx context.Context, repository string) ([]string, error) {
	return s.tagsWithout(ctx, repository, func(string) bool { return false })
}

// visibleTags is tags without those of the form of hidden tags and kept tags that stand for
// nothing else, as far as their names tell.
func (s *Source) visibleTags(ctx context.Context, repository string) ([]string, error) {
	return s.tagsWithout(ctx, repository, func(tag string) bool {
		_, hidden := oci.OwnTagOf(tag)
		return hidden
	})
}

// tagsWithout returns the tags of a repository that are not to be left out.
func (s *Source) tagsWithout(ctx context.Context, repository string, leaveOut func(tag string) bool) ([]string, error) {
	return ask(ctx, s, func(ctx context.Context) ([]string, error) {
		var all []string
		some := false
		for tag, err := range s.Upstream.Tags(ctx, s.As, repository, s.Limits().ListEntries) {
			switch {
			case errors.Is(err, upstream.ErrNotFound) && some:
				return nil, fmt.Errorf("%w: %w", errListChanged, err)
			case errors.Is(err, upstream.ErrNotFound):
				return nil, s.Upstream.ServesAPI(ctx, repository)
			case err != nil:
				return nil, err
			}
			if some = true; !leaveOut(tag) {
				all = append(all, tag)
			}
		}
		return all, nil
	})
}

// repositories returns the catalog. Its error is for withoutCatalog.
func (s *Source) repositories(ctx context.Context) ([]string, error) {
	return askPlainly(ctx, s, func(ctx context.Context) ([]string, error) {
		var all []string
		for repository, err := range s.Upstream.Repositories(ctx, s.As, s.Limits().ListEntries) {
			if err != nil {
				return nil, err
			}
			all = append(all, repository)
		}
		return all, nil
	})
}
