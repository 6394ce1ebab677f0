package bolt

import (
	"bytes"
	"strings"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
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
	g.restart()
	g.query = index.Query{}
	s.gatherings.Put(g)
}

// restart drops what was gathered.
func (g *gathering) restart() {
	clear(g.entries)
	*g = gathering{query: g.query, entries: g.entries[:0]}
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
	g.text += packed.DigestTextSize(e.digest) + len(artifactType)
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
	var digestText [packed.MaxDigestText]byte
	var artifactType string
	descriptors := make([]byte, 0, g.bytes)
	page.Referrers = make([]index.Referrer, len(g.entries))
	for i := range g.entries {
		e := &g.entries[i]
		if i == 0 || string(e.referrer.artifactType) != artifactType {
			artifactType = write(e.referrer.artifactType)
		}
		name := write(packed.AppendDigestText(digestText[:0], e.digest))
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

// selection returns what picks the page out of entries in no order.
func (g *gathering) selection() index.Selection[entry] {
	return index.Selection[entry]{Query: g.query, Size: func(e entry) int { return e.size }}
}

// addSelected takes the page that was picked.
func (g *gathering) addSelected(s *index.Selection[entry]) {
	entries, more := s.Page()
	for _, e := range entries {
		g.add(e)
	}
	g.more = more
}

// place returns the place of an entry in the order.
func (e *entry) place() index.Cursor {
	return index.Cursor{Key: string(e.key), Digest: packed.ExpandDigest(e.digest)}
}
