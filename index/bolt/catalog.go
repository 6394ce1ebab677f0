package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"go.etcd.io/bbolt"
)

// Manifests implements [index.Store]. By digest it reads no further than the
// page goes; by another order it looks at all records of the repository.
func (s *Store) Manifests(ctx context.Context, repository string, query index.Query) ([]index.Record, bool, error) {
	of, err := newAddress(repository, sectionManifests)
	if err != nil {
		return nil, false, err
	}
	var start []byte
	if !query.After.IsZero() {
		if start, err = packed.AppendDigest(nil, query.After.Digest); err != nil {
			return nil, false, err
		}
	}
	g := s.gathering(query)
	defer s.reuse(g)
	var records []index.Record
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		prefix, err := of.within(live)
		if prefix == nil || err != nil {
			return err
		}
		c := catalog{ctx: ctx, query: query, shelf: newShelf(live, []byte(repository), repositoryNumber(prefix[:numberSize]))}
		if query.Order.By == index.SortDigest {
			err = c.byDigest(walkOf(live.records, prefix, start, query), g)
		} else {
			err = c.byOther(&walk{cursor: live.records.Cursor(), prefix: prefix}, g)
		}
		if err != nil {
			return err
		}
		records, err = c.records(g)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list manifests of %s: %w", repository, err)
	}
	return records, g.more, nil
}

// catalog reads the records of a repository that a query selects.
type catalog struct {
	ctx    context.Context //nolint:containedctx // It lives as long as one call.
	shelf  *shelf
	query  index.Query
	looked int
}

func (c *catalog) byDigest(w *walk, g *gathering) error {
	for key, value := w.first(); key != nil; key, value = w.next() {
		e, selected, err := c.read(key, value)
		if err != nil {
			return err
		}
		if selected && !g.take(e) {
			return nil
		}
	}
	return nil
}

func (c *catalog) byOther(w *walk, g *gathering) error {
	s := g.selection()
	for key, value := w.first(); key != nil; key, value = w.next() {
		e, selected, err := c.read(key, value)
		if err != nil {
			return err
		}
		if !selected {
			continue
		}
		record, err := c.shelf.decode(e.digest, &e.kept)
		if err != nil {
			return err
		}
		e.key = []byte(c.query.Order.Key(record.Descriptor(), record.Seen))
		s.Add(e, e.place())
	}
	g.addSelected(&s)
	return nil
}

// read reads a record, and tells whether the filters let it through.
func (c *catalog) read(key, value []byte) (entry, bool, error) {
	if c.looked++; c.looked%countStep == 0 && c.ctx.Err() != nil {
		return entry{}, false, c.ctx.Err()
	}
	manifest := key[prefixSize:]
	kept, err := c.shelf.open(manifest, value)
	if err != nil {
		return entry{}, false, err
	}
	if len(c.query.ArtifactTypes) > 0 {
		artifactType, err := kept.artifactType()
		if err != nil || !c.query.MatchesType(artifactType) {
			return entry{}, false, err
		}
	}
	if len(c.query.Annotations) > 0 {
		record, err := c.shelf.decode(manifest, &kept)
		if err != nil || !c.query.MatchesAnnotations(record.Annotations) {
			return entry{}, false, err
		}
	}
	return entry{digest: manifest, kept: kept}, true, nil
}

func (c *catalog) records(g *gathering) ([]index.Record, error) {
	records := make([]index.Record, 0, len(g.entries))
	for i := range g.entries {
		e := &g.entries[i]
		record, err := c.shelf.decode(e.digest, &e.kept)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}
