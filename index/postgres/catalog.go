package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

// Manifests implements [index.Store]. By digest it reads no further than the
// page goes; by another order it looks at all records of the repository.
func (s *Store) Manifests(ctx context.Context, repository string, query index.Query) ([]index.Record, bool, error) {
	if err := checkName("repository", repository); err != nil {
		return nil, false, err
	}
	l, err := newList(query, repository, nil)
	if err != nil {
		return nil, false, err
	}
	var records []index.Record
	var more bool
	err = s.read(ctx, func(ctx context.Context) error {
		g, err := l.gather(ctx, s.pool)
		if err != nil {
			return err
		}
		records, more = make([]index.Record, len(g.entries)), g.more
		for i, e := range g.entries {
			if records[i], err = e.record(repository); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("list manifests of %s: %w", repository, err)
	}
	return records, more, nil
}
