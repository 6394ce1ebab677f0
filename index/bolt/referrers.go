package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// Referrers implements [index.Store]. By digest and by time it reads no further
// than the page goes; by another order it looks at all referrers of the subject, or
// at those of the types that are asked for.
func (s *Store) Referrers(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	of, err := newAddress(repository, sectionReferrers, subject)
	if err != nil {
		return index.Page{}, err
	}
	start, err := startOf(query)
	if err != nil {
		return index.Page{}, err
	}
	var page index.Page
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		prefix, err := of.within(live)
		if prefix == nil || err != nil {
			return err
		}
		g := s.gathering(query)
		defer s.reuse(g)
		list := listing{ctx: ctx, sieve: newSieve(query), prefix: prefix, records: live.records}
		switch query.Order.By {
		case index.SortDigest:
			err = list.byDigest(walkOf(live.records, prefix, start, query), g)
		case index.SortCreated:
			err = list.byCreated(walkOf(live.records, inSection(sectionCreated, prefix), start, query), g)
		default:
			err = list.byOther(g)
		}
		if err != nil {
			return err
		}
		if page = g.page(); query.Dated {
			return g.date(live, prefix, &page)
		}
		return nil
	})
	if err != nil {
		return index.Page{}, fmt.Errorf("list referrers of %s in %s: %w", subject, repository, err)
	}
	return page, nil
}

// startOf returns what the key behind which the page of a query begins has
// behind its prefix, in the section that has the order; nil where the page
// begins at the first.
func startOf(query index.Query) ([]byte, error) {
	if query.After.IsZero() {
		return nil, nil
	}
	var start []byte
	if query.Order.By == index.SortCreated {
		start = append(start, query.After.Key...)
	}
	return packed.AppendDigest(start, query.After.Digest)
}

// listing reads the referrers of a subject that a query selects.
type listing struct {
	ctx     context.Context //nolint:containedctx // It lives as long as one call.
	sieve   *sieve
	prefix  []byte
	records *bbolt.Bucket
	looked  int
	// walks says that it can't go by types.
	walks bool
}

// look counts an entry that is looked at, and ends a walk for which nobody
// waits any longer.
func (l *listing) look() error {
	if l.looked++; l.looked%countStep == 0 {
		return l.ctx.Err()
	}
	return nil
}

// byDigest gathers a page from the keys of referrers.
func (l *listing) byDigest(w *walk, g *gathering) error {
	for key, value := w.first(); key != nil; key, value = w.next() {
		e, selected, err := l.read(key, value)
		if err != nil {
			return err
		}
		if selected && !g.take(e) {
			return nil
		}
		if !l.vain(len(g.entries)) {
			continue
		}
		t, err := l.types()
		if err != nil {
			return err
		}
		if t != nil {
			return l.byTypesFrom(t, key[len(l.prefix):], g)
		}
		l.walks = true
	}
	return nil
}

// byCreated gathers a page from the keys of created. Types that are left out
// are told apart without a look at the referrer.
func (l *listing) byCreated(w *walk, g *gathering) error {
	for key, value := w.first(); key != nil; key, value = w.next() {
		if err := l.look(); err != nil {
			return err
		}
		if l.vain(len(g.entries)) {
			if done, err := l.selectFew(g); done || err != nil {
				return err
			}
		}
		rest := key[len(l.prefix):]
		if len(rest) < index.CreatedKeySize {
			return fmt.Errorf("%w: key of a created", index.ErrDamaged)
		}
		if !l.sieve.takesType(value) {
			continue
		}
		referrer := append(bytes.Clone(l.prefix), rest[index.CreatedKeySize:]...)
		e, selected, err := l.read(referrer, l.records.Get(referrer))
		if err != nil {
			return err
		}
		e.key = rest[:index.CreatedKeySize]
		if selected && !g.take(e) {
			return nil
		}
	}
	return nil
}

// byOther gathers the entries of a page out of all, or of all that have one of the
// types that are asked for.
func (l *listing) byOther(g *gathering) error {
	if t, err := l.types(); err != nil {
		return err
	} else if t != nil {
		return l.selectOfTypes(t, g)
	}
	s := g.selection()
	w := walk{cursor: l.records.Cursor(), prefix: l.prefix}
	for key, value := w.first(); key != nil; key, value = w.next() {
		e, selected, err := l.read(key, value)
		if err != nil {
			return err
		}
		if !selected {
			continue
		}
		sortKey, err := l.sieve.sortKey(e)
		if err != nil {
			return err
		}
		e.key = []byte(sortKey)
		s.Add(e, e.place())
	}
	g.addSelected(&s)
	return nil
}

// read reads a referrer, and tells whether the filters let it through.
func (l *listing) read(key, value []byte) (entry, bool, error) {
	if err := l.look(); err != nil {
		return entry{}, false, err
	}
	r, err := cutReferrer(value)
	if err != nil {
		return entry{}, false, err
	}
	if !l.sieve.takesType(r.artifactType) {
		return entry{}, false, nil
	}
	if let, err := l.sieve.takesAnnotations(r.annotations); !let || err != nil {
		return entry{}, false, err
	}
	compact, rest, err := packed.CutDigest(key[len(l.prefix):])
	if err != nil || len(rest) > 0 {
		return entry{}, false, fmt.Errorf("%w: key of a referrer", index.ErrDamaged)
	}
	size := r.descriptorSize(packed.DigestTextSize(compact))
	return entry{digest: compact, kept: kept{referrer: r, size: size}}, true, nil
}

// putReferrer writes the entries of listings of a record, of which the value is
// given.
func (w *writing) putReferrer(g *generation, n repositoryNumber, record index.Record, value []byte) error {
	keys, err := listingKeys(n, record)
	if keys == nil || err != nil {
		return err
	}
	if err := w.keep(g, n, keys.referrer, value); err != nil {
		return err
	}
	if err := w.keep(g, n, keys.created, []byte(record.ArtifactType)); err != nil {
		return err
	}
	return w.keep(g, n, keys.typed, keys.at)
}

func (w *writing) removeReferrer(g *generation, n repositoryNumber, record index.Record) error {
	keys, err := listingKeys(n, record)
	if keys == nil || err != nil {
		return err
	}
	if err := w.delete(g.records, keys.referrer); err != nil {
		return err
	}
	if err := w.delete(g.records, keys.created); err != nil {
		return err
	}
	return w.delete(g.records, keys.typed)
}

// inListings are the keys of a record in the sections that listings are read
// from, and when it was created, as a key of [index.SortCreated].
type inListings struct{ referrer, created, typed, at []byte }

// listingKeys returns nil where the record has no subject.
func listingKeys(n repositoryNumber, record index.Record) (*inListings, error) {
	if record.Subject() == "" {
		return nil, nil
	}
	subject, err := packed.AppendDigest(nil, record.Subject())
	if err != nil {
		return nil, err
	}
	manifest, err := packed.AppendDigest(nil, record.Digest)
	if err != nil {
		return nil, err
	}
	created := []byte(index.Order{By: index.SortCreated}.Key(record.Descriptor(), record.Seen))
	return &inListings{
		referrer: sectionKey(n, sectionReferrers, subject, manifest),
		created:  sectionKey(n, sectionCreated, subject, created, manifest),
		typed:    typeKey(n, subject, []byte(record.ArtifactType), manifest),
		at:       created,
	}, nil
}
