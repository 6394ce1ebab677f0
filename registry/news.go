package registry

import (
	"context"

	"github.com/backref/backref/index"
)

// News reads what has arrived in a repository, the latest first: at most limit, before a
// number, 0 being behind all. To a caller who may read nothing of the repository it is
// the news of an unknown one.
func (r *Registry) News(ctx context.Context, caller *Caller, before uint64, limit int) ([]index.Arrival, error) {
	if err := r.tryArtifacts(ctx, caller); err != nil || !caller.Permitted() {
		return nil, err
	}
	return caller.grant.news(ctx, before, limit)
}

// Arrived reads the record of what has arrived in a repository, as it is now, or fails
// with [index.ErrNotFound].
func (r *Registry) Arrived(ctx context.Context, caller *Caller, a index.Arrival) (index.Record, error) {
	return caller.grant.record(ctx, a.Record.Digest)
}
