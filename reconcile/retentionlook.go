package reconcile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

// look is what a look at a repository has shown.
type look struct {
	graph     *policy.RetentionGraph
	decisions *policy.RetentionDecisions
	// gone are the subjects that the registry was just seen not to have.
	gone map[digest.Digest]bool
	// took is how long the look took, until ended.
	took  time.Duration
	ended time.Time
}

// look reads all that decides over a repository: its records, and if need be what
// the registry says. It is nil where rules select nothing. Errors are those of the
// index, or [*unreadError].
func (r *retaining) look(ctx context.Context, repository string, records *recordReader) (*look, error) {
	began := r.Source.now()
	l := &look{graph: r.rules.Graph(repository, began), gone: map[digest.Digest]bool{}}
	if err := r.addRecords(ctx, repository, records, l.graph); err != nil {
		return nil, err
	}
	if !l.graph.Selected() {
		return nil, nil
	}
	if r.rules.AsksForSubjects(repository) {
		if err := r.askForSubjects(ctx, repository, l); err != nil {
			return nil, err
		}
	}
	if l.decisions = l.graph.Decide(); l.decisions.Removals() > 0 {
		if err := r.askForHolds(ctx, repository, l); err != nil {
			return nil, err
		}
	}
	l.ended = r.Source.now()
	l.took = l.ended.Sub(began)
	return l, nil
}

// addRecords adds what the index has. Its memory is bounded by the number of
// manifests of one repository.
func (r *retaining) addRecords(ctx context.Context, repository string, records *recordReader, graph *policy.RetentionGraph) error {
	most := r.Source.Limits().ListEntries
	for {
		record, more, err := records.next(ctx, repository)
		if err != nil || !more {
			return err
		}
		if graph.Len() >= most {
			return unread("", fmt.Errorf("%s has more than %d manifests (limits.listEntries)", repository, most))
		}
		graph.Add(manifestOf(record.Manifest, record.Seen))
	}
}

// askForHolds asks the registry for what may hold what is to go, and decides anew.
func (r *retaining) askForHolds(ctx context.Context, repository string, l *look) error {
	if err := r.askForTags(ctx, repository, l.graph); err != nil {
		return err
	}
	if err := r.askForUnknown(ctx, repository, l.graph); err != nil {
		return err
	}
	for seen := map[digest.Digest]bool{}; ; {
		l.decisions = l.graph.Decide()
		missing, asked, err := r.missing(ctx, repository, l.decisions.InTheirPlace(), seen)
		switch {
		case err != nil:
			return err
		case asked == 0 || len(missing) == 0:
			return nil
		}
		for _, manifest := range missing {
			l.graph.Drop(manifest)
		}
	}
}

// missing asks for manifests, unless they were seen before, and returns those that
// the registry has not.
func (r *retaining) missing(ctx context.Context, repository string, manifests []digest.Digest, seen map[digest.Digest]bool) (missing []digest.Digest, asked int, err error) {
	var toAsk []digest.Digest
	for _, manifest := range manifests {
		if !seen[manifest] {
			seen[manifest] = true
			toAsk = append(toAsk, manifest)
		}
	}
	var mutex sync.Mutex
	err = r.asking(ctx, toAsk, func(ctx context.Context, manifest digest.Digest) error {
		present, err := r.Source.has(ctx, index.Key{Repository: repository, Digest: manifest})
		if err == nil && !present {
			mutex.Lock()
			defer mutex.Unlock()
			missing = append(missing, manifest)
		}
		return unread(manifest.String(), err)
	})
	return missing, len(toAsk), err
}

// asking asks about digests, several at once.
func (r *retaining) asking(ctx context.Context, about []digest.Digest, ask func(ctx context.Context, manifest digest.Digest) error) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(r.Concurrency)
	for _, manifest := range about {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return ask(within, manifest) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// askForTags adds what the tags of the registry hold.
func (r *retaining) askForTags(ctx context.Context, repository string, graph *policy.RetentionGraph) error {
	tags, err := r.Source.visibleTags(ctx, repository)
	if err != nil {
		return unread("", err)
	}
	var mutex sync.Mutex
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(r.Concurrency)
	for _, tag := range tags {
		if within.Err() != nil {
			break
		}
		group.Go(func() error {
			manifest, err := r.Source.Resolve(within, repository, tag)
			switch {
			case registry.OutcomeOf(err) == registry.OutcomeGone:
				return nil
			case err != nil:
				return unread(tag, err)
			}
			mutex.Lock()
			defer mutex.Unlock()
			r.tag(repository, graph, tag, manifest)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (r *retaining) tag(repository string, graph *policy.RetentionGraph, tag string, manifest digest.Digest) {
	graph.Tag(tag, manifest)
	if r.Locked == nil {
		return
	}
	if lock := r.Locked(repository, tag); lock.Denied {
		graph.Lock(tag, manifest, lock.Rule)
	}
}

// askForUnknown reads the manifests that hold something and that the index does not
// know: those that tags name, and those that indexes list, of which each may be an
// index itself.
func (r *retaining) askForUnknown(ctx context.Context, repository string, graph *policy.RetentionGraph) error {
	for looked := map[digest.Digest]bool{}; ; {
		var next []digest.Digest
		for _, manifest := range graph.Unknown() {
			if !looked[manifest] {
				looked[manifest] = true
				next = append(next, manifest)
			}
		}
		if len(next) == 0 {
			return nil
		}
		var mutex sync.Mutex
		err := r.asking(ctx, next, func(ctx context.Context, manifest digest.Digest) error {
			found, err := r.Source.Manifest(ctx, repository, manifest.String())
			switch registry.OutcomeOf(err) {
			case registry.OutcomeGone, registry.OutcomeUnreadable, registry.OutcomeUntyped:
				// It lists nothing that anybody could read.
				return nil
			case registry.OutcomeRead:
			default:
				return unread(manifest.String(), err)
			}
			mutex.Lock()
			defer mutex.Unlock()
			graph.Add(manifestOf(found.Manifest, r.Source.now()))
			return nil
		})
		if err != nil {
			return err
		}
	}
}
