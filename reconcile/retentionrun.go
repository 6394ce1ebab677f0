package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
)

// retaining is one run.
type retaining struct {
	*Retention
	options RetainOptions
	// rules are those that the run goes by, of those that it began with.
	rules, began *policy.Retention
	each         func(Retained)
	by           string
	// from is the repository that the run begins at; empty for the first.
	from  string
	entry retentionEntry
	// noted is when the journal was told last.
	noted  time.Time
	report RetentionReport
	// refused counts the deletes that were refused since one was carried out.
	refused int
}

// all counts what goes, and has it go unless that is too much.
func (r *retaining) all(ctx context.Context) error {
	r.report.DryRun = r.options.DryRun
	if err := r.journalBegin(ctx); err != nil {
		return err
	}
	err := r.repositories(ctx, r.plan)
	if err == nil && !r.options.DryRun {
		err = r.carryOut(ctx)
	}
	if err == nil && r.from == "" {
		err = r.sweepNotes(ctx)
	}
	return errors.Join(err, r.journalEnd(ctx, err))
}

// carryOut has go what was planned.
func (r *retaining) carryOut(ctx context.Context) error {
	if err := r.checkMost(r.report.Removed + r.report.Going); err != nil {
		return err
	}
	r.entry.Going = r.report.Going
	if r.report.Going == 0 {
		return nil
	}
	return r.repositories(ctx, r.removeFrom)
}

// checkMost makes sure that no more goes than may.
func (r *retaining) checkMost(going int) error {
	most := r.Settings().MaxPerRun
	if r.options.Yes || going <= most {
		return nil
	}
	return fmt.Errorf("%w: %d, and %d may go; see what goes by backref retain --dry-run, and have it go by backref retain --yes", ErrTooMany, going, most)
}

// repositories goes through the repositories that rules are about.
func (r *retaining) repositories(ctx context.Context, each func(ctx context.Context, repository string, records *recordReader) error) error {
	records := &recordReader{store: r.Store, after: index.Key{Repository: r.from}}
	for {
		record, more, err := records.peek(ctx)
		if err != nil || !more {
			return err
		}
		repository := record.Repository
		if r.concerns(repository) {
			err := each(ctx, repository, records)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return err
			}
		}
		if err := records.leave(ctx, repository); err != nil {
			return err
		}
	}
}

// concerns tells whether the run is about a repository.
func (r *retaining) concerns(repository string) bool {
	return r.rules.Concerns(repository) && Options{Repositories: r.options.Repositories}.selects(repository)
}

// plan counts what goes from a repository.
func (r *retaining) plan(ctx context.Context, repository string, records *recordReader) error {
	r.report.Repositories++
	looked, err := r.look(ctx, repository, records)
	switch {
	case err != nil:
		return r.missed(ctx, repository, err)
	case looked == nil:
		return nil
	}
	r.report.Kept += looked.decisions.Keeps()
	r.report.Going += looked.decisions.Removals()
	if !r.options.DryRun {
		return nil
	}
	r.tellKept(repository, looked)
	for decision := range looked.decisions.Removed() {
		r.each(retained(repository, RetainedGoing, decision))
	}
	return nil
}

func (r *retaining) tellKept(repository string, looked *look) {
	for decision := range looked.decisions.Kept() {
		r.each(retained(repository, RetainedKept, decision))
	}
}

// missed notes a repository that could not be read, in which nothing goes. Of an
// index that can't be read nothing more is to be expected.
func (r *retaining) missed(ctx context.Context, repository string, err error) error {
	var unread *unreadError
	if ctx.Err() != nil || !errors.As(err, &unread) {
		return err
	}
	r.report.miss(repository, unread.reference, err)
	return nil
}

// unreadError is what could not be learnt of a repository.
type unreadError struct {
	reference string
	err       error
}

func (e *unreadError) Error() string { return e.err.Error() }

func (e *unreadError) Unwrap() error { return e.err }

// unread marks an error of the registry.
func unread(reference string, err error) error {
	if err == nil {
		return nil
	}
	return &unreadError{reference, err}
}

// recordReader reads the records of the index one after another.
type recordReader struct {
	store RetentionStore
	after index.Key
	page  []index.Record
	done  bool
}

// peek returns the next record without going on; more is false at the end.
func (r *recordReader) peek(ctx context.Context) (record index.Record, more bool, err error) {
	if len(r.page) == 0 && !r.done {
		r.page, err = r.store.Records(ctx, r.after, recordsPage)
		if err != nil {
			return record, false, err
		}
		if r.done = len(r.page) < recordsPage; len(r.page) > 0 {
			r.after = r.page[len(r.page)-1].Key()
		}
	}
	if len(r.page) == 0 {
		return record, false, nil
	}
	return r.page[0], true, nil
}

// next returns the next record of a repository; more is false behind its last.
func (r *recordReader) next(ctx context.Context, repository string) (record index.Record, more bool, err error) {
	record, more, err = r.peek(ctx)
	if err != nil || !more || record.Repository != repository {
		return index.Record{}, false, err
	}
	r.page = r.page[1:]
	return record, true, nil
}

// leave goes on to the next repository.
func (r *recordReader) leave(ctx context.Context, repository string) error {
	for {
		_, more, err := r.next(ctx, repository)
		if err != nil || !more {
			return err
		}
	}
}

// manifestOf is a manifest as rules see it, of which the index learnt at a time.
func manifestOf(manifest index.Manifest, seen time.Time) policy.RetentionManifest {
	m := policy.RetentionManifest{
		Digest: manifest.Digest, ArtifactType: manifest.ArtifactType, Annotations: manifest.Annotations,
		Subject: manifest.Subject(), Lists: manifest.Manifests(), Made: index.StatedMade(manifest.Annotations),
	}
	if m.Made.IsZero() {
		m.Made = seen
	}
	for _, edge := range manifest.Edges {
		if edge.Kind == index.EdgeBlob {
			m.Doubtful = append(m.Doubtful, edge.Target)
		}
	}
	return m
}
