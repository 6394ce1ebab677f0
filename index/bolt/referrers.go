package bolt

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// Referrers implements [index.Store].
func (s *Store) Referrers(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	prefix, err := repositoryKey(repository, subject)
	if err != nil {
		return index.Page{}, err
	}
	start := prefix
	if !query.After.IsZero() {
		if start, err = repositoryKey(repository, subject, query.After.Digest); err != nil {
			return index.Page{}, err
		}
	}
	var page index.Page
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := liveTables(tx, tableReferrers)
		if err != nil {
			return err
		}
		g := s.gathering()
		if err := g.collect(live[0].Cursor(), prefix, start, query); err != nil {
			return err
		}
		page = g.page()
		s.reuse(g)
		return nil
	})
	if err != nil {
		return index.Page{}, fmt.Errorf("list referrers of %s in %s: %w", subject, repository, err)
	}
	return page, nil
}

// entry is a referrer in the memory of the transaction.
type entry struct {
	digest, artifactType, descriptor []byte
}

// gathering is a page that still lies in the memory of the transaction.
type gathering struct {
	entries []entry
	more    bool
	// bytes sums up the descriptors, text the digests and artifact types.
	bytes, text int
}

// gathering returns an empty one. Its list is as long as a page, so it is used
// again for another.
func (s *Store) gathering() *gathering {
	if g, ok := s.gatherings.Get().(*gathering); ok {
		return g
	}
	return new(gathering)
}

// reuse gives back a gathering that is no longer needed.
func (s *Store) reuse(g *gathering) {
	clear(g.entries)
	*g = gathering{entries: g.entries[:0]}
	s.gatherings.Put(g)
}

// collect gathers the entries of a page, from start on, that one left out.
func (g *gathering) collect(cursor *bbolt.Cursor, prefix, start []byte, query index.Query) error {
	key, value := cursor.Seek(start)
	if len(start) > len(prefix) && bytes.Equal(key, start) {
		key, value = cursor.Next()
	}
	for ; bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
		artifactType, descriptor, err := cutReferrer(value)
		if err != nil {
			return err
		}
		if !query.MatchesType(string(artifactType)) {
			continue
		}
		if g.full(query, len(descriptor)) {
			g.more = true
			return nil
		}
		compact, rest, err := cutDigest(key[len(prefix):])
		if err != nil || len(rest) > 0 {
			return fmt.Errorf("%w: key of a referrer", index.ErrDamaged)
		}
		g.add(entry{digest: compact, artifactType: artifactType, descriptor: descriptor})
	}
	return nil
}

// full reports whether an entry of a size is one too many. The first never is.
func (g *gathering) full(query index.Query, size int) bool {
	n := len(g.entries)
	if n == 0 {
		return false
	}
	return query.Limit > 0 && n >= query.Limit ||
		query.MaxBytes > 0 && g.bytes+n+size+1 > query.MaxBytes
}

func (g *gathering) add(e entry) {
	// Neighbours mostly have the same type, whose text is then kept once.
	if n := len(g.entries); n > 0 && bytes.Equal(g.entries[n-1].artifactType, e.artifactType) {
		g.text -= len(e.artifactType)
	}
	g.entries = append(g.entries, e)
	g.bytes += len(e.descriptor)
	g.text += digestTextSize(e.digest) + len(e.artifactType)
}

// page copies what was gathered: all descriptors into one piece of memory, and
// all text into another.
func (g *gathering) page() index.Page {
	page := index.Page{More: g.more}
	if len(g.entries) == 0 {
		return page
	}
	var text strings.Builder
	text.Grow(g.text)
	write := func(part []byte) string {
		from := text.Len()
		text.Write(part)
		return text.String()[from:]
	}
	var digestText [len("sha512:") + 2*sizeSHA512]byte
	var artifactType string
	descriptors := make([]byte, 0, g.bytes)
	page.Referrers = make([]index.Referrer, len(g.entries))
	for i, e := range g.entries {
		if i == 0 || string(e.artifactType) != artifactType {
			artifactType = write(e.artifactType)
		}
		from := len(descriptors)
		descriptors = append(descriptors, e.descriptor...)
		page.Referrers[i] = index.Referrer{
			Digest:       digest.Digest(write(appendDigestText(digestText[:0], e.digest))),
			ArtifactType: artifactType,
			// The capacity keeps an append from running into the next one.
			Descriptor: descriptors[from:len(descriptors):len(descriptors)],
		}
	}
	return page
}

func (w *writing) putReferrer(g *generation, record index.Record) error {
	subject := record.Subject()
	if subject == "" {
		return nil
	}
	key, err := repositoryKey(record.Repository, subject, record.Digest)
	if err != nil {
		return err
	}
	value, err := encodeReferrer(record)
	if err != nil {
		return err
	}
	if err := w.put(g.referrers, key, value); err != nil {
		return err
	}
	return w.enterListing(g, key)
}

func (w *writing) removeReferrer(g *generation, record index.Record) error {
	subject := record.Subject()
	if subject == "" {
		return nil
	}
	key, err := repositoryKey(record.Repository, subject, record.Digest)
	if err != nil {
		return err
	}
	if err := w.delete(g.referrers, key); err != nil {
		return err
	}
	return w.enterListing(g, key)
}
