package bolt

import (
	"bytes"
	"container/heap"
	"slices"
	"strings"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// entry is a part of a listing in the memory of the transaction. The key is
// what the order of the query puts before the digest.
type entry struct {
	digest, key []byte
	// kept is the whole entry of a listing of records. One of referrers has
	// the referrer, and as the size that of the descriptor.
	kept
}

// gathering is a page that still lies in the memory of the transaction.
type gathering struct {
	query   index.Query
	entries []entry
	more    bool
	// bytes sums up the sizes, text the digests and artifact types.
	bytes, text int
}

// gathering returns an empty one. Its list is as long as a page, so it is used
// again for another.
func (s *Store) gathering(query index.Query) *gathering {
	g, ok := s.gatherings.Get().(*gathering)
	if !ok {
		g = new(gathering)
	}
	g.query = query
	return g
}

// reuse gives back a gathering that is no longer needed.
func (s *Store) reuse(g *gathering) {
	clear(g.entries)
	*g = gathering{entries: g.entries[:0]}
	s.gatherings.Put(g)
}

// take adds an entry, unless the page is full: then there is more.
func (g *gathering) take(e entry) bool {
	if g.full(e.size) {
		g.more = true
		return false
	}
	g.add(e)
	return true
}

// full reports whether an entry of a size is one too many. The first never is.
func (g *gathering) full(size int) bool {
	query := g.query
	n := len(g.entries)
	if n == 0 {
		return false
	}
	return query.Limit > 0 && n >= query.Limit ||
		query.MaxBytes > 0 && g.bytes+n+size+1 > query.MaxBytes
}

func (g *gathering) add(e entry) {
	// Neighbours mostly have the same type, whose text is then kept once.
	artifactType := e.referrer.artifactType
	if n := len(g.entries); n > 0 && bytes.Equal(g.entries[n-1].referrer.artifactType, artifactType) {
		g.text -= len(artifactType)
	}
	g.entries = append(g.entries, e)
	g.bytes += e.size
	g.text += digestTextSize(e.digest) + len(artifactType)
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
	for i := range g.entries {
		e := &g.entries[i]
		if i == 0 || string(e.referrer.artifactType) != artifactType {
			artifactType = write(e.referrer.artifactType)
		}
		name := write(appendDigestText(digestText[:0], e.digest))
		from := len(descriptors)
		descriptors = e.referrer.appendDescriptor(descriptors, name)
		page.Referrers[i] = index.Referrer{
			Digest:       digest.Digest(name),
			ArtifactType: artifactType,
			Key:          string(e.key),
			// The capacity keeps an append from running into the next one.
			Descriptor: descriptors[from:len(descriptors):len(descriptors)],
		}
	}
	return page
}

// selection finds the page of a query among entries that come in no order. It
// keeps no more of them than the page has.
type selection struct {
	query index.Query
	// entries are a heap with the last in the order at its top.
	entries []placed
	bytes   int
	// cut is the first in the order that has no room, as has none behind it.
	cut  index.Cursor
	more bool
}

// placed is an entry with its place in the order.
type placed struct {
	entry
	place index.Cursor
}

// add takes an entry where it may be on the page.
func (s *selection) add(e entry) {
	place := index.Cursor{Key: string(e.key), Digest: expandDigest(e.digest)}
	if !s.query.Behind(place) || s.more && s.query.Order.Compare(place, s.cut) > 0 {
		return
	}
	heap.Push(s, placed{e, place})
	for n := len(s.entries); n > 1 && s.over(n); n-- {
		last := heap.Pop(s).(placed)
		s.cut, s.more = last.place, true
	}
}

// over reports whether n entries are too many.
func (s *selection) over(n int) bool {
	return s.query.Limit > 0 && n > s.query.Limit || s.query.MaxBytes > 0 && s.bytes+n > s.query.MaxBytes
}

// into gives the page to a gathering.
func (s *selection) into(g *gathering) {
	slices.SortFunc(s.entries, func(a, b placed) int { return s.query.Order.Compare(a.place, b.place) })
	for _, e := range s.entries {
		g.add(e.entry)
	}
	g.more = s.more
}

// Len implements [heap.Interface].
func (s *selection) Len() int { return len(s.entries) }

// Less implements [heap.Interface].
func (s *selection) Less(i, j int) bool {
	return s.query.Order.Compare(s.entries[i].place, s.entries[j].place) > 0
}

// Swap implements [heap.Interface].
func (s *selection) Swap(i, j int) { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] }

// Push implements [heap.Interface].
func (s *selection) Push(x any) {
	e := x.(placed)
	s.entries = append(s.entries, e)
	s.bytes += e.size
}

// Pop implements [heap.Interface].
func (s *selection) Pop() any {
	last := len(s.entries) - 1
	e := s.entries[last]
	s.entries = s.entries[:last]
	s.bytes -= e.size
	return e
}
