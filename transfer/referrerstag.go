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

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// How referrers tags are written. Such a tag is read, changed and written back,
// and a registry that knows no conditional push lets a slower writer undo a
// faster one, which has no way to notice at once. So each writer looks again
// after a time in which any other that had read the old tag should have written
// it, adds what is lost, and comes back only when the tag has stayed the same
// for such a time: as long as it changes there are others who may be slow.
const (
	// tagRounds is how often a tag is looked at again.
	tagRounds = 20
	// settleFactor is how many times the time that a change took is waited for
	// others, and settleLeast the least.
	settleFactor = 4
	settleLeast  = time.Second
	// conflicts is how often a change begins anew in one round because the
	// registry says that it lost a condition.
	conflicts = 20
)

// tagWriter writes referrers tags of a repository.
type tagWriter struct {
	repository *client.Repository
	pool       *pool
	event      func(Event)
	// known tells of what was copied whose referrer it is, so that it isn't read
	// again to judge a tag that lists it.
	known knownSubject

	mutex sync.Mutex
	// slowest is the longest time that a change took from reading to writing.
	slowest time.Duration
	// tags are the digests that the tags had when they were seen last.
	tags map[digest.Digest]digest.Digest
	// changed are the subjects whose tag was written.
	changed map[digest.Digest]bool
	// restless are the subjects whose tag is to be looked at again, and lost
	// those of them whose tag lacks something.
	restless, lost map[digest.Digest][]client.Manifest
}

func newTagWriter(repository *client.Repository, slots *pool, done finished) *tagWriter {
	return &tagWriter{repository: repository, pool: slots, event: done.event, known: done.known(),
		tags: map[digest.Digest]digest.Digest{}, changed: map[digest.Digest]bool{}}
}

// write adds referrers to the tags of their subjects, and comes back when all
// have stayed there.
func (w *tagWriter) write(ctx context.Context, pending map[digest.Digest][]client.Manifest) error {
	for range tagRounds {
		if err := w.each(ctx, pending, w.add); err != nil {
			return err
		}
		// What was complete before anything was written has settled before.
		maps.DeleteFunc(pending, func(subject digest.Digest, _ []client.Manifest) bool { return !w.changed[subject] })
		if len(pending) == 0 {
			break
		}
		if err := w.settle(ctx); err != nil {
			return err
		}
		w.restless, w.lost = map[digest.Digest][]client.Manifest{}, map[digest.Digest][]client.Manifest{}
		if err := w.each(ctx, pending, w.check); err != nil {
			return err
		}
		if pending = w.restless; len(pending) == 0 {
			break
		}
	}
	if len(w.lost) > 0 {
		return fmt.Errorf("referrers tags of %s: other writers undid the change %d times; run the copy again when they are done", w.repository.Reference, tagRounds)
	}
	w.report()
	return nil
}

// each works on many subjects at once.
func (w *tagWriter) each(ctx context.Context, pending map[digest.Digest][]client.Manifest,
	work func(context.Context, digest.Digest, []client.Manifest) error) error {
	group, ctx := w.pool.workers(ctx)
	for subject, referrers := range pending {
		group.Go(func() error { return work(ctx, subject, referrers) })
	}
	return group.Wait()
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
		tag, entries, err := w.repository.ReferrersTag(ctx, subject, w.known)
		if err != nil {
			return err
		}
		merged, complete := merge(entries, referrers)
		if complete {
			w.saw(subject, tag.Digest)
			return nil
		}
		sum, err := w.put(ctx, subject, merged, tag)
		if client.LacksPart(err) {
			// Some registries take no index that lists what was deleted.
			if merged, err = w.existing(ctx, merged); err == nil {
				sum, err = w.put(ctx, subject, merged, tag)
			}
		}
		switch {
		case err == nil:
			w.wrote(subject, sum, time.Since(begun))
			return nil
		case !errors.Is(err, client.ErrConflict):
			return fmt.Errorf("referrers tag of %s: %w", subject, err)
		}
	}
	return fmt.Errorf("referrers tag of %s: others changed it %d times while it was written; run the copy again", subject, conflicts)
}

// existing leaves out the entries of manifests that are gone.
func (w *tagWriter) existing(ctx context.Context, entries []ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	var kept []ocispec.Descriptor
	for _, entry := range entries {
		_, found, err := w.repository.Resolve(ctx, entry.Digest.String())
		if err != nil {
			return nil, err
		}
		if found {
			kept = append(kept, entry)
		}
	}
	return kept, nil
}

func (w *tagWriter) put(ctx context.Context, subject digest.Digest, entries []ocispec.Descriptor, old client.Manifest) (digest.Digest, error) {
	m, err := old.WithEntries(entries)
	if err == nil {
		m, err = m.About(subject)
	}
	if err != nil {
		return "", err
	}
	_, err = w.repository.PutManifest(ctx, m, oci.ReferrersTag(subject), client.Condition{Digest: old.Digest, Absent: old.Digest == ""})
	return m.Digest, err
}

// check looks whether a tag is as it was seen last, and has everything.
func (w *tagWriter) check(ctx context.Context, subject digest.Digest, referrers []client.Manifest) error {
	tag, entries, err := w.repository.ReferrersTag(ctx, subject, w.known)
	if err != nil {
		return err
	}
	_, complete := merge(entries, referrers)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if !complete {
		w.lost[subject] = referrers
	}
	if !complete || w.tags[subject] != tag.Digest {
		w.restless[subject] = referrers
	}
	return nil
}

// saw notes what a tag was when it was complete.
func (w *tagWriter) saw(subject, sum digest.Digest) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.tags[subject] = sum
}

// wrote notes what a tag was changed to, and how long that took.
func (w *tagWriter) wrote(subject, sum digest.Digest, took time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.tags[subject] = sum
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
		w.event(Event{What: "referrersTag", Outcome: outcome, Digest: sum, MediaType: oci.MediaTypeImageIndex, Tag: oci.ReferrersTag(subject)})
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
