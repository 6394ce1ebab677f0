package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// How referrers tags are written. Such a tag is read, changed and written back,
// and a registry that knows no conditional push lets a slower writer undo a
// faster one, which has no way to notice at once. So each writer looks again
// after a time in which any other that had read the old tag has written it, and
// adds what is lost.
const (
	// tagRounds is how often lost entries are added again.
	tagRounds = 12
	// settleFactor is how many times the time that a change took is waited for
	// others, and settleLeast the least.
	settleFactor = 4
	settleLeast  = 400 * time.Millisecond
	// conflicts is how often a change begins anew in one round because the
	// registry says that it lost a condition.
	conflicts = 20
)

// tagWriter writes referrers tags of a repository.
type tagWriter struct {
	repository  *client.Repository
	concurrency int
	event       func(Event)

	mutex sync.Mutex
	// slowest is the longest time that a change took from reading to writing.
	slowest time.Duration
	// tags are the digests that the tags had when they were seen complete.
	tags map[digest.Digest]digest.Digest
	// changed are the subjects whose tag was written.
	changed map[digest.Digest]bool
}

func newTagWriter(repository *client.Repository, concurrency int, event func(Event)) *tagWriter {
	return &tagWriter{repository: repository, concurrency: concurrency, event: event,
		tags: map[digest.Digest]digest.Digest{}, changed: map[digest.Digest]bool{}}
}

// write adds referrers to the tags of their subjects, and comes back when all
// have stayed there.
func (w *tagWriter) write(ctx context.Context, pending map[digest.Digest][]client.Manifest) error {
	for range tagRounds {
		w.slowest = 0
		if err := w.each(ctx, pending, w.add); err != nil {
			return err
		}
		pending = w.unsettled(pending)
		if len(pending) == 0 {
			w.report()
			return nil
		}
		if err := w.settle(ctx); err != nil {
			return err
		}
		lost := map[digest.Digest][]client.Manifest{}
		err := w.each(ctx, pending, func(ctx context.Context, subject digest.Digest, referrers []client.Manifest) error {
			return w.check(ctx, subject, referrers, lost)
		})
		if err != nil {
			return err
		}
		if pending = lost; len(pending) == 0 {
			w.report()
			return nil
		}
	}
	return fmt.Errorf("referrers tags of %s: other writers undid the change %d times; run the copy again when they are done", w.repository.Reference, tagRounds)
}

// each works on many subjects at once.
func (w *tagWriter) each(ctx context.Context, pending map[digest.Digest][]client.Manifest,
	work func(context.Context, digest.Digest, []client.Manifest) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(w.concurrency)
	for subject, referrers := range pending {
		group.Go(func() error { return work(ctx, subject, referrers) })
	}
	return group.Wait()
}

// unsettled returns the subjects whose tag was changed in this round.
func (w *tagWriter) unsettled(pending map[digest.Digest][]client.Manifest) map[digest.Digest][]client.Manifest {
	left := map[digest.Digest][]client.Manifest{}
	for subject, referrers := range pending {
		if w.tags[subject] == "" {
			left[subject] = referrers
		}
	}
	return left
}

// settle waits until others that had read a tag before it was changed have
// written it. The time varies, so that writers who met once don't meet again.
func (w *tagWriter) settle(ctx context.Context) error {
	least := max(settleFactor*w.slowest, settleLeast)
	timer := time.NewTimer(least + rand.N(least)) //nolint:gosec // G404: nobody gains by guessing it
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add puts what is missing into the tag of a subject.
func (w *tagWriter) add(ctx context.Context, subject digest.Digest, referrers []client.Manifest) error {
	for range conflicts {
		begun := time.Now()
		old, entries, err := w.repository.ReferrersTag(ctx, subject)
		if err != nil {
			return err
		}
		if merged, complete := merge(entries, referrers); complete {
			w.seen(subject, old.Digest)
			return nil
		} else if err = w.put(ctx, subject, merged, old); err == nil {
			w.wrote(subject, time.Since(begun))
			return nil
		} else if !errors.Is(err, client.ErrConflict) {
			return fmt.Errorf("referrers tag of %s: %w", subject, err)
		}
	}
	return fmt.Errorf("referrers tag of %s: others changed it %d times while it was written; run the copy again", subject, conflicts)
}

func (w *tagWriter) put(ctx context.Context, subject digest.Digest, entries []ocispec.Descriptor, old client.Manifest) error {
	m, err := old.WithEntries(entries)
	if err != nil {
		return err
	}
	_, err = w.repository.PutManifest(ctx, m, index.ReferrersTag(subject), client.Condition{Digest: old.Digest, Absent: old.Digest == ""})
	return err
}

// check notes the referrers that a tag has lost.
func (w *tagWriter) check(ctx context.Context, subject digest.Digest, referrers []client.Manifest, lost map[digest.Digest][]client.Manifest) error {
	tag, entries, err := w.repository.ReferrersTag(ctx, subject)
	if err != nil {
		return err
	}
	known := map[digest.Digest]bool{}
	for _, entry := range entries {
		known[entry.Digest] = true
	}
	if len(without(referrers, known)) == 0 {
		w.seen(subject, tag.Digest)
		return nil
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	lost[subject] = referrers
	return nil
}

// seen notes that a tag is complete.
func (w *tagWriter) seen(subject, sum digest.Digest) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.tags[subject] = sum
}

// wrote notes that a tag was changed, and how long that took.
func (w *tagWriter) wrote(subject digest.Digest, took time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.changed[subject] = true
	w.slowest = max(w.slowest, took)
}

// report tells of the tags.
func (w *tagWriter) report() {
	for subject, sum := range w.tags {
		outcome := Present
		if w.changed[subject] {
			outcome = Copied
		}
		w.event(Event{What: "referrersTag", Outcome: outcome, Digest: sum, MediaType: index.MediaTypeImageIndex, Tag: index.ReferrersTag(subject)})
	}
}

// merge adds the entries of manifests to those of a tag. An entry of the same
// digest that says less is replaced; all others stay as they are and where they
// are. complete says that there is nothing to change.
func merge(entries []ocispec.Descriptor, manifests []client.Manifest) (merged []ocispec.Descriptor, complete bool) {
	merged = append(merged, entries...)
	place := map[digest.Digest]int{}
	for i, entry := range entries {
		place[entry.Digest] = i
	}
	complete = true
	for _, m := range manifests {
		entry := m.Entry()
		i, found := place[m.Digest]
		switch {
		case !found:
			place[m.Digest] = len(merged)
			merged, complete = append(merged, entry), false
		case !sameEntry(merged[i], entry):
			merged[i], complete = entry, false
		}
	}
	return merged, complete
}

// sameEntry compares what clients filter by.
func sameEntry(a, b ocispec.Descriptor) bool {
	return a.ArtifactType == b.ArtifactType && a.MediaType == b.MediaType && a.Size == b.Size && maps.Equal(a.Annotations, b.Annotations)
}
