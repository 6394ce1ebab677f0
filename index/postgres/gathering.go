package postgres

import (
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
		if g.query.Dated {
			page.Referrers[i].Created = index.CreatedOf(e.created)
		}
	}
	return page, nil
}

// place returns the place of an entry in the order.
func (e *entry) place() (index.Cursor, error) {
	name, err := expandDigest(e.digest)
	return index.Cursor{Key: e.key, Digest: name}, err
}
