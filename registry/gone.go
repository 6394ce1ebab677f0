package registry

import (
	"context"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// noteGone notes since when a manifest is gone that was just deleted, where rules of
// retention want to know that of subjects and it is one. Where the note can't be
// written, retention finds out itself, later.
func (r *Registry) noteGone(ctx context.Context, repository string, manifest digest.Digest) {
	journal, kept := r.options.Index.(index.Journal)
	if !kept || !r.Policies().Retention.AsksForSubjects(repository) {
		return
	}
	referrers, err := r.store.Referrers(ctx, repository, manifest, index.Query{Limit: 1})
	if err == nil && len(referrers.Referrers) > 0 {
		err = journal.WriteJournal(context.WithoutCancel(ctx), index.BookGone, index.GoneEntry(repository, manifest, r.now()))
	}
	if err != nil {
		Note(ctx, zap.NamedError("gone", err))
	}
}
