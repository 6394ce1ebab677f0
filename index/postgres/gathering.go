package postgres

import (
	"container/heap"
	"slices"

	"github.com/backref/backref/index"
)

// entry is a row of a list with the key that the order of the query puts
// before its digest, and with its descriptor where the list is of a subject.
type entry struct {
	row
	key        string
	descriptor []byte
}

// describe writes the descriptor.
func (e *entry) describe() (err error) {
	const frame = 256 // of a descriptor without annotations
	e.descriptor, err = appendDescriptor(make([]byte, 0, frame+len(e.shown)), e.digest, e.artifactType, e.shown)
	e.shown = nil
	return err
}

// size is what the entry takes of a page's bytes.
func (e entry) size() int {
	if e.descriptor != nil {
		return len(e.descriptor)
	}
	return e.row.size()
}

// gathering is a page in the making.
type gathering struct {
	query   index.Query
	entries []entry
	more    bool
	bytes   int
}

// take adds an entry, unless the page is full: then there is more.
func (g *gathering) take(e entry) bool {
	n, query := len(g.entries), g.query
	if n > 0 && (query.Limit > 0 && n >= query.Limit || query.MaxBytes > 0 && g.bytes+n+e.size()+1 > query.MaxBytes) {
		g.more = true
		return false
	}
	g.entries = append(g.entries, e)
	g.bytes += e.size()
	return true
}

// page returns the entries of a subject's list.
func (g *gathering) page() (index.Page, error) {
	page := index.Page{More: g.more}
	if len(g.entries) == 0 {
		return page, nil
	}
	page.Referrers = make([]index.Referrer, len(g.entries))
	for i, e := range g.entries {
		name, err := expandDigest(e.digest)
		if err != nil {
			return index.Page{}, err
		}
		page.Referrers[i] = index.Referrer{Digest: name, ArtifactType: string(e.artifactType), Key: e.key, Descriptor: e.descriptor}
	}
	return page, nil
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
func (s *selection) add(e entry) error {
	name, err := expandDigest(e.digest)
	if err != nil {
		return err
	}
	place := index.Cursor{Key: e.key, Digest: name}
	if !s.query.Behind(place) || s.more && s.query.Order.Compare(place, s.cut) > 0 {
		return nil
	}
	heap.Push(s, placed{e, place})
	for n := len(s.entries); n > 1 && s.over(n); n-- {
		last := heap.Pop(s).(placed)
		s.cut, s.more = last.place, true
	}
	return nil
}

// over reports whether n entries are too many.
func (s *selection) over(n int) bool {
	return s.query.Limit > 0 && n > s.query.Limit || s.query.MaxBytes > 0 && s.bytes+n > s.query.MaxBytes
}

// into gives the page to a gathering.
func (s *selection) into(g *gathering) {
	slices.SortFunc(s.entries, func(a, b placed) int { return s.query.Order.Compare(a.place, b.place) })
	for _, e := range s.entries {
		g.entries = append(g.entries, e.entry)
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
	s.bytes += e.size()
}

// Pop implements [heap.Interface].
func (s *selection) Pop() any {
	last := len(s.entries) - 1
	e := s.entries[last]
	s.entries = s.entries[:last]
	s.bytes -= e.size()
	return e
}
