package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
)

// attempts is how often a blob is tried whose transfer breaks off.
const attempts = 4

// shared is what the copies of one run have in common: all images of a
// repository, or the one image.
type shared struct {
	source  source
	target  target
	request Request
	pool    *pool
	// blobs and manifests are those that are in the target; of a manifest its
	// subject is kept.
	blobs     *memory[struct{}]
	manifests *memory[digest.Digest]
	tally     *tally
}

func newShared(src source, dst target, request Request, slots *pool) *shared {
	return &shared{src, dst, request, slots, newMemory[struct{}](remembered), newMemory[digest.Digest](remembered), newTally(request.Watch)}
}

// run is the copy of one image under way.
type run struct {
	*shared
	plan     *plan
	tag      string
	surveyed surveyed
	// changed says that the target lacked something.
	changed atomic.Bool
}

// copy asks whether the referrers can be made known and what is there, moves blobs,
// then manifests from the bottom up. It returns what is to be made known then.
func (r *run) copy(ctx context.Context) (finished, error) {
	done := finished{root: r.plan.root.manifest, tag: r.tag, referrers: r.plan.bySubject(), event: r.tally.finished}
	listed, err := r.target.Prepare(ctx, slices.Sorted(maps.Keys(done.referrers)), done.known())
	if err != nil {
		return finished{}, err
	}
	if done.legacy, err = r.legacyTags(ctx); err != nil {
		return finished{}, err
	}
	if err := r.survey(ctx, listed); err != nil {
		return finished{}, err
	}
	if err := r.copyBlobs(ctx); err != nil {
		return finished{}, err
	}
	for _, level := range r.plan.levels() {
		if err := r.copyManifests(ctx, level); err != nil {
			return finished{}, err
		}
	}
	return done, nil
}

func (r *run) copyBlobs(ctx context.Context) error {
	group, ctx := r.pool.workers(ctx)
	for _, blob := range r.plan.blobs {
		group.Go(func() error {
			_, _, err := r.blobs.do(ctx, blob.Digest.String(), func() (struct{}, error) {
				outcome, err := r.bringBlob(ctx, blob)
				if err == nil {
					r.tally.finished(Event{What: "blob", Outcome: outcome, Digest: blob.Digest, MediaType: blob.MediaType, Size: blob.Size})
				}
				return struct{}{}, err
			})
			return err
		})
	}
	return group.Wait()
}

// copyBlob copies a blob that the target has not.
func (r *run) copyBlob(ctx context.Context, blob ocispec.Descriptor) (Outcome, error) {
	if isForeign(blob) {
		return Foreign, nil
	}
	present, err := r.target.HasBlob(ctx, blob)
	if err != nil || present {
		return Present, err
	}
	return r.putBlob(ctx, blob)
}

// putBlob tries again what broke off; what the registry says for good is not asked
// again.
func (r *run) putBlob(ctx context.Context, blob ocispec.Descriptor) (Outcome, error) {
	return backoff.Retry(ctx, func() (Outcome, error) {
		outcome, err := r.target.PutBlob(ctx, blob, func() (io.ReadCloser, error) { return r.openBlob(ctx, blob) })
		if err != nil && (client.IsAnswer(err) || errors.Is(err, ErrDamaged) || ctx.Err() != nil) {
			err = backoff.Permanent(err)
		}
		return outcome, err
	}, backoff.WithBackOff(newWait()), backoff.WithMaxTries(attempts))
}

// isForeign reports whether a blob is one that may not be distributed, and is
// fetched by runtimes from elsewhere.
func isForeign(blob ocispec.Descriptor) bool {
	return len(blob.URLs) > 0 && (strings.Contains(blob.MediaType, "nondistributable") || strings.Contains(blob.MediaType, "foreign"))
}

// openBlob opens a blob of the source so that reading it counts and verifies.
func (r *run) openBlob(ctx context.Context, blob ocispec.Descriptor) (io.ReadCloser, error) {
	content, err := r.source.Blob(ctx, blob)
	if err != nil {
		return nil, err
	}
	return newVerified(content, blob, r.tally.moved), nil
}

func (r *run) copyManifests(ctx context.Context, level []*node) error {
	group, ctx := r.pool.workers(ctx)
	for _, n := range level {
		group.Go(func() error {
			_, _, err := r.manifests.do(ctx, n.manifest.Digest.String(), func() (digest.Digest, error) {
				return n.manifest.Subject(), r.copyManifest(ctx, n)
			})
			return err
		})
	}
	return group.Wait()
}

func (r *run) copyManifest(ctx context.Context, n *node) error {
	event := Event{What: "manifest", Outcome: Present, Digest: n.manifest.Digest, MediaType: n.manifest.MediaType, Size: n.manifest.Size, Tag: r.tagOf(n)}
	if !r.surveyed.present[n.manifest.Digest] {
		event.Outcome = Copied
		r.changed.Store(true)
		if err := r.putManifest(ctx, n, event.Tag); err != nil {
			return explainRefusal(err, n)
		}
	}
	r.tally.manifest(event, n.isReferrer)
	return nil
}

// putManifest looks after the parts again where the registry says that some
// are missing: several uploads of one blob at once get in each other's way in
// CNCF Distribution, which then says that it has it and a moment later not.
func (r *run) putManifest(ctx context.Context, n *node, tag string) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := r.target.PutManifest(ctx, n.manifest, tag)
		if !client.LacksPart(err) {
			return struct{}{}, permanent(err)
		}
		for _, blob := range n.contents.AllBlobs() {
			if _, err := r.copyBlob(ctx, blob); err != nil {
				return struct{}{}, permanent(err)
			}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(newWait()), backoff.WithMaxTries(attempts))
	return err
}

// permanent marks an error, where there is one, as none to try again after.
func permanent(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err)
}

// newWait returns the times between attempts.
func newWait() backoff.BackOff {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 200 * time.Millisecond
	return wait
}

// explainRefusal adds what is mostly behind the refusal of an artifact.
func explainRefusal(err error, n *node) error {
	if client.IsAnswer(err) && n.manifest.Subject() != "" && !client.LacksPart(err) && !errors.Is(err, client.ErrNotFound) {
		return fmt.Errorf("%w; the target may not take artifacts of type %s", err, n.manifest.ArtifactType)
	}
	return err
}
