package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// Referrers implements [index.Store]. By digest and by time it reads no further
// than the page goes; by another order it looks at all referrers of the subject, or
// at those of the types that are asked for.
func (s *Store) Referrers(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	key, err := manifestKey(repository, subject)
	if err != nil {
		return index.Page{}, err
	}
	l, err := newList(query, repository, []byte(key.about))
	if err != nil {
		return index.Page{}, err
	}
	l.mayGoByTypes = len(query.ArtifactTypes) > 0 && s.typed.Load()
	var page index.Page
	err = s.read(ctx, func(ctx context.Context) error {
		g, err := l.gather(ctx, s.pool)
		if err != nil {
			return err
		}
		page, err = g.page()
		return err
	})
	if err != nil {
		return index.Page{}, fmt.Errorf("list referrers of %s in %s: %w", subject, repository, err)
	}
	return page, nil
}
