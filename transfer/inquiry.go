package transfer

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// worthForeseeing is of how many manifests referrers have to be asked for at once
// that it pays to ask about all of them before. Each of them takes four questions
// where the source is no backref: its referrers, and three tags of cosign.
const worthForeseeing = 16

// foreseer is a source that can tell of many manifests at once that nothing refers
// to them.
type foreseer interface {
	// Leaves returns manifests below one that have no referrers, as [client.Repository.Leaves].
	Leaves(ctx context.Context, root digest.Digest) (map[digest.Digest]bool, error)
	AllTagNames(ctx context.Context) ([]string, error)
}

// inquiry asks a source for referrers, and leaves out questions whose answer is
// known: most referrers have none themselves. It is about one root.
type inquiry struct {
	source source
	pool   *pool
	root   digest.Digest
	legacy bool

	// foreseen says that the source was asked for all at once, or need not be.
	foreseen bool
	// leaves have no referrers but legacy ones. tagged are those that a tag of cosign
	// is named after; nil where the tags are not known.
	leaves, tagged map[digest.Digest]bool
}

func newInquiry(src source, root digest.Digest, request Request, slots *pool) *inquiry {
	return &inquiry{source: src, pool: slots, root: root, legacy: request.Filter.Legacy, foreseen: !request.Referrers}
}

// expect is called before the referrers of so many manifests are asked for. A
// source that can't tell beforehand is asked about each.
func (q *inquiry) expect(ctx context.Context, manifests int) {
	from, able := q.source.(foreseer)
	if !able || q.foreseen || manifests < worthForeseeing {
		return
	}
	q.foreseen = true
	_ = q.pool.do(ctx, func() (err error) {
		q.leaves, err = from.Leaves(ctx, q.root)
		return err
	})
	// The list of tags of other registries may be cut.
	if !q.legacy || q.leaves == nil {
		return
	}
	_ = q.pool.do(ctx, func() error {
		names, err := from.AllTagNames(ctx)
		if err != nil {
			return err
		}
		q.tagged = map[digest.Digest]bool{}
		for _, name := range names {
			if subject, _ := oci.CosignTagOf(name); subject != "" {
				q.tagged[subject] = true
			}
		}
		return nil
	})
}

// referrers returns the referrers of a subject. It may be called concurrently.
func (q *inquiry) referrers(ctx context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error) {
	if q.tagged != nil && !q.tagged[subject] {
		query.Legacy = false
	}
	if !query.Legacy && q.leaves[subject] {
		return nil, nil
	}
	return q.source.Referrers(ctx, subject, query)
}
