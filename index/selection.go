package index

import (
	"container/heap"
	"slices"
)

// Selection finds the page of a query among entries that come in no order. It
// keeps no more of them than the page has. Size tells what an entry takes of a
// page's bytes.
type Selection[E any] struct {
	Query Query
	Size  func(E) int

	placed cursorHeap[E]
	bytes  int
	// cut is the first in the order that has no room, as has none behind it.
	cut  Cursor
	more bool
}

// placed is an entry with its place in the order.
type placed[E any] struct {
	entry E
	place Cursor
}

// Add takes an entry where it may be on the page.
func (s *Selection[E]) Add(entry E, place Cursor) {
	if !s.Query.Behind(place) || s.more && s.Query.Order.Compare(place, s.cut) > 0 {
		return
	}
	s.placed.order = s.Query.Order
	heap.Push(&s.placed, placed[E]{entry, place})
	s.bytes += s.Size(entry)
	for n := len(s.placed.entries); n > 1 && s.over(n); n-- {
		last := heap.Pop(&s.placed).(placed[E]) //nolint:forcetypeassert // The heap holds nothing else.
		s.bytes -= s.Size(last.entry)
		s.cut, s.more = last.place, true
	}
}

// over reports whether n entries are too many.
func (s *Selection[E]) over(n int) bool {
	return s.Query.Limit > 0 && n > s.Query.Limit || s.Query.MaxBytes > 0 && s.bytes+n > s.Query.MaxBytes
}

// Page returns the entries of the page in the order, and whether there are more
// behind them. Nothing is to be added after that.
func (s *Selection[E]) Page() (entries []E, more bool) {
	slices.SortFunc(s.placed.entries, func(a, b placed[E]) int { return s.Query.Order.Compare(a.place, b.place) })
	entries = make([]E, len(s.placed.entries))
	for i, p := range s.placed.entries {
		entries[i] = p.entry
	}
	return entries, s.more
}

// cursorHeap has the last in the order at its top.
type cursorHeap[E any] struct {
	order   Order
	entries []placed[E]
}

// Len implements [heap.Interface].
func (h *cursorHeap[E]) Len() int { return len(h.entries) }

// Less implements [heap.Interface].
func (h *cursorHeap[E]) Less(i, j int) bool {
	return h.order.Compare(h.entries[i].place, h.entries[j].place) > 0
}

// Swap implements [heap.Interface].
func (h *cursorHeap[E]) Swap(i, j int) { h.entries[i], h.entries[j] = h.entries[j], h.entries[i] }

// Push implements [heap.Interface].
func (h *cursorHeap[E]) Push(x any) {
	h.entries = append(h.entries, x.(placed[E])) //nolint:forcetypeassert // Selection pushes nothing else.
}

// Pop implements [heap.Interface].
func (h *cursorHeap[E]) Pop() any {
	last := len(h.entries) - 1
	p := h.entries[last]
	h.entries = h.entries[:last]
	return p
}
