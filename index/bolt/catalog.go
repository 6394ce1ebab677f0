package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

// Manifests implements [index.Store]. By digest it reads no further than the
// page goes; by another order it looks at all records of the repository.
func (s *Store) Manifests(ctx context.Context, repository string, query index.Query) ([]index.Record, bool, error) {
	prefix, err := repositoryKey(repository)
	if err != nil {
		return nil, false, err
	}
	var start []byte
	if !query.After.IsZero() {
		if start, err = repositoryKey(repository, query.After.Digest); err != nil {
			return nil, false, err
		}
	}
	g := s.gathering(query)
	defer s.reuse(g)
	var records []index.Record
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := liveTables(tx, tableManifests)
		if err != nil {
			return err
		}
		c := catalog{ctx: ctx, repository: repository, query: query}
		if query.Order.By == index.SortDigest {
			err = c.byDigest(walkOf(live[0], prefix, start, query), g)
		} else {
			err = c.byOther(&walk{cursor: live[0].Cursor(), prefix: prefix}, g)
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
	ctx        context.Context //nolint:containedctx // It lives as long as one call.
	repository string
	query      index.Query
	looked     int
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
	s := selection{query: c.query}
	for key, value := w.first(); key != nil; key, value = w.next() {
		e, selected, err := c.read(key, value)
		if err != nil {
			return err
		}
		if !selected {
			continue
		}
		record, err := decodeStamped(c.repository, expandDigest(e.digest), value)
		if err != nil {
			return err
		}
		e.key = []byte(c.query.Order.Key(record.Descriptor(), record.Seen))
		s.add(e)
	}
	s.into(g)
	return nil
}

// read reads a record, and tells whether the filters let it through. The
// descriptor of the entry is the record's own encoding.
func (c *catalog) read(key, value []byte) (entry, bool, error) {
	if c.looked++; c.looked%countStep == 0 && c.ctx.Err() != nil {
		return entry{}, false, c.ctx.Err()
	}
	compact, rest, err := cutDigest(key[len(c.repository)+1:])
	if err != nil || len(rest) > 0 {
		return entry{}, false, fmt.Errorf("%w: key of a record", index.ErrDamaged)
	}
	e := entry{digest: compact, descriptor: value}
	if len(c.query.ArtifactTypes) > 0 {
		artifactType, err := artifactTypeOf(value)
		if err != nil || !c.query.MatchesType(artifactType) {
			return entry{}, false, err
		}
	}
	if len(c.query.Annotations) > 0 {
		record, err := decodeStamped(c.repository, "", value)
		if err != nil || !c.query.MatchesAnnotations(record.Annotations) {
			return entry{}, false, err
		}
	}
	return e, true, nil
}

func (c *catalog) records(g *gathering) ([]index.Record, error) {
	records := make([]index.Record, 0, len(g.entries))
	for _, e := range g.entries {
		record, err := decodeStamped(c.repository, expandDigest(e.digest), e.descriptor)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// artifactTypeOf reads no more of a value of manifests than it has to.
func artifactTypeOf(value []byte) (string, error) {
	_, encoded, err := cutStamp(value)
	if err != nil {
		return "", err
	}
	d := decoder{b: encoded}
	d.time()
	d.bytes()
	d.int()
	artifactType := d.string()
	if d.failed {
		return "", fmt.Errorf("%w: value of a record", index.ErrDamaged)
	}
	return artifactType, nil
}
