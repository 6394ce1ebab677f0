package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

const (
	// freshFor is how old a decision may be when it is carried out, or thrice as old
	// as it took to make, whichever is longer: in a repository with many tags the
	// looks would take longer than the deletes.
	freshFor  = 10 * time.Second
	freshOver = 3
	// maxRefused is how many deletes in a row may be refused before a run ends.
	maxRefused = 10
	// parentsPage is how many manifests that name what goes are read at once.
	parentsPage = 100
)

// errSpared means that something came to hold a referrer.
var errSpared = errors.New("left alone until the next run")

// removeFrom has go from a repository what is to go, as it is decided now.
func (r *retaining) removeFrom(ctx context.Context, repository string, records *recordReader) error {
	r.entry.Position = repository
	told := map[digest.Digest]toldOf{}
	for first := true; ; first = false {
		looked, err := r.look(ctx, repository, records)
		switch {
		case err != nil:
			return r.missed(ctx, repository, err)
		case looked == nil:
			return nil
		}
		if first {
			r.tellKept(repository, looked)
		}
		done, err := r.removeLooked(ctx, repository, looked, told)
		if err := errors.Join(err, r.journalProgress(ctx)); err != nil || done {
			return err
		}
		records = &recordReader{store: r.Store, after: index.Key{Repository: repository}}
	}
}

// removeLooked has go what a look shows, for as long as the look is fresh. done says
// that there is no more.
func (r *retaining) removeLooked(ctx context.Context, repository string, looked *look, told map[digest.Digest]toldOf) (done bool, err error) {
	until := looked.ended.Add(max(freshFor, freshOver*looked.took))
	for decision := range looked.decisions.Removed() {
		switch {
		case told[decision.Digest] == toldAll:
			continue
		case r.Source.now().After(until):
			return false, nil
		}
		if err := r.checkMost(r.report.Removed + 1); err != nil {
			return false, err
		}
		if err := r.wait(ctx); err != nil {
			return false, err
		}
		err := r.remove(ctx, repository, looked, decision)
		if errors.Is(err, errSpared) && told[decision.Digest] == toldNothing {
			// A new look may show that what has changed holds nothing.
			told[decision.Digest] = toldOnce
			return false, nil
		}
		told[decision.Digest] = toldAll
		if err := r.tell(ctx, repository, decision, err); err != nil {
			return false, err
		}
	}
	return true, nil
}

// toldOf is how often a referrer was tried to be removed.
type toldOf uint8

const (
	toldNothing toldOf = iota
	// toldOnce was spared once.
	toldOnce
	toldAll
)

// wait waits until the next delete may be sent.
func (r *retaining) wait(ctx context.Context) error {
	r.deletes.SetLimit(rate.Limit(r.Settings().Rate))
	return r.deletes.Wait(ctx)
}

// remove has one referrer go.
func (r *retaining) remove(ctx context.Context, repository string, looked *look, decision policy.RetentionDecision) error {
	event := registry.AuditEvent{
		Outcome: registry.AuditDeleted, Action: "retain", Repository: repository, Digest: decision.Digest, Rule: decision.Rule, Reason: decision.Reason,
	}
	return r.removal.Remove(ctx, event, func(ctx context.Context) error { return r.still(ctx, repository, looked, decision) })
}

// tell tells what came of a removal. Its error ends the run.
func (r *retaining) tell(ctx context.Context, repository string, decision policy.RetentionDecision, err error) error {
	told := retained(repository, RetainedRemoved, decision)
	switch {
	case err == nil:
		r.refused = 0
		r.report.Removed++
		r.metrics.removed()
		r.Log.Info("referrer deleted by a rule of retention", zap.String("repository", repository), zap.Stringer("digest", decision.Digest),
			zap.Stringer("subject", decision.Subject), zap.String("rule", decision.Rule), zap.String("reason", decision.Reason))
	case errors.Is(err, errSpared), errors.Is(err, registry.ErrHeld):
		r.report.Spared++
		told.Decision, told.Error = RetainedSpared, err.Error()
	case ctx.Err() != nil, errors.Is(err, ErrRulesChanged), errors.Is(err, registry.ErrNoDeletes):
		return err
	default:
		r.report.miss(repository, decision.Digest.String(), err)
		r.metrics.failed()
		told.Decision, told.Error = RetainedFailed, err.Error()
		if r.refused++; r.refused >= maxRefused {
			r.each(told)
			return fmt.Errorf("%d deletes in a row failed: %w", maxRefused, err)
		}
	}
	r.each(told)
	return nil
}

// still makes sure, just before a referrer is deleted, that nothing has come to hold
// it since the look, as far as the index knows, and that its subject is still gone
// where that is why it goes.
func (r *retaining) still(ctx context.Context, repository string, looked *look, decision policy.RetentionDecision) error {
	if !r.Settings().Rules.Same(r.began) {
		return ErrRulesChanged
	}
	referrers, err := r.Store.Referrers(ctx, repository, decision.Digest, index.Query{Limit: 1})
	if err != nil {
		return err
	}
	if len(referrers.Referrers) > 0 {
		return fmt.Errorf("%w: it has the referrer %s", errSpared, referrers.Referrers[0].Digest)
	}
	open, err := r.Store.Unsettled(ctx, repository, decision.Digest)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return fmt.Errorf("%w: it is not settled yet which referrers it has", errSpared)
	}
	if err := r.stillUnnamed(ctx, repository, looked, decision.Digest); err != nil {
		return err
	}
	if !looked.gone[decision.Subject] {
		return nil
	}
	present, err := r.Source.has(ctx, index.Key{Repository: repository, Digest: decision.Subject})
	if err == nil && present {
		err = fmt.Errorf("%w: its subject is there again", errSpared)
	}
	return err
}

// stillUnnamed makes sure that no manifest names a referrer which the look has not
// shown.
func (r *retaining) stillUnnamed(ctx context.Context, repository string, looked *look, manifest digest.Digest) error {
	for after := (index.Parent{}); ; {
		parents, err := r.Store.Parents(ctx, repository, manifest, after, parentsPage)
		if err != nil {
			return err
		}
		for _, parent := range parents {
			if after = parent; !looked.graph.Knows(parent.Digest) {
				return fmt.Errorf("%w: %s has come to name it", errSpared, parent.Digest)
			}
		}
		if len(parents) < parentsPage {
			return nil
		}
	}
}
