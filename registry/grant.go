package registry

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Grant is the permission to be shown what the index keeps of one repository.
// Only the gate, which asks the upstream, and the rules of auth.mode service make
// one; what is shown of the index is read through it. The zero Grant shows
// nothing. It may be used concurrently.
type Grant struct {
	index      grantReader
	repository string
}

// grantReader is what of the index is shown.
type grantReader interface {
	index.Reader
	Latest(ctx context.Context, repository string, before uint64, limit int) ([]index.Arrival, error)
}

// errNoGrant means that something of the index was to be shown to somebody whom
// nobody had let in. It is a fault of the program.
var errNoGrant = errors.New("nobody has let the client read in this repository")

// grantFor makes a Grant. It is for the gate and the rules alone.
func (r *Registry) grantFor(repository string) Grant {
	return Grant{index: r.store, repository: repository}
}

func (g Grant) given() bool { return g.index != nil }

// referrers reads a page of a listing.
func (g Grant) referrers(ctx context.Context, subject digest.Digest, query index.Query) (index.Page, error) {
	if !g.given() {
		return index.Page{}, errNoGrant
	}
	return g.index.Referrers(ctx, g.repository, subject, query)
}

// manifests reads a page of all manifests.
func (g Grant) manifests(ctx context.Context, query index.Query) ([]index.Record, bool, error) {
	if !g.given() {
		return nil, false, errNoGrant
	}
	return g.index.Manifests(ctx, g.repository, query)
}

// record reads a record, or fails with [index.ErrNotFound].
func (g Grant) record(ctx context.Context, manifest digest.Digest) (index.Record, error) {
	if !g.given() {
		return index.Record{}, errNoGrant
	}
	return g.index.Get(ctx, g.repository, manifest)
}

// news reads what has arrived, the latest first.
func (g Grant) news(ctx context.Context, before uint64, limit int) ([]index.Arrival, error) {
	if !g.given() {
		return nil, errNoGrant
	}
	return g.index.Latest(ctx, g.repository, before, limit)
}
