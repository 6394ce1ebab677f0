package bolt

import (
	"bytes"
	"slices"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
)

// The entries of types tell which referrers of a subject have an artifact type,
// without a look at the others. A listing first walks through the referrers in its
// order, which costs least where most are selected; where it looks at many in vain,
// it goes on by the entries of the types.

const (
	// maxTypeName is how much of an artifact type is in the keys. Longer ones share
	// the entries of one group, which are told apart by the referrers.
	maxTypeName = 254
	// maxTypes is how many types of a subject are looked through for those that a
	// pattern matches. Where there are more, all referrers are walked through.
	maxTypes = 64
	// vainLooks is how many referrers a listing looks at in vain before it goes by
	// types, and vainPerEntry how many more for each that it has taken: by types each
	// costs about as much as so many neighbours.
	vainLooks    = 32
	vainPerEntry = 8
	// fewOfTypes is up to how many referrers of the types are ordered anew, where
	// their entries don't come in the order of the listing.
	fewOfTypes = 1000
)

// typeGroup is how a type stands in the keys of [sectionTypes].
func typeGroup(artifactType []byte) []byte {
	if len(artifactType) <= maxTypeName {
		return append([]byte{byte(len(artifactType))}, artifactType...) //nolint:gosec // It is at most maxTypeName.
	}
	return append([]byte{maxTypeName + 1}, artifactType[:maxTypeName]...)
}

// cutGroup takes a group from the beginning of what a key has behind the subject, and
// returns the type that it stands for: whole says that this is all of it.
func cutGroup(rest []byte) (group, artifactType []byte, whole, ok bool) {
	if len(rest) == 0 {
		return nil, nil, false, false
	}
	size := int(rest[0])
	whole = size <= maxTypeName
	size = min(size, maxTypeName)
	if len(rest) < 1+size {
		return nil, nil, false, false
	}
	return rest[:1+size], rest[1 : 1+size], whole, true
}

// byTypes are the entries of the types that a listing selects.
type byTypes struct {
	// groups are the beginnings of their keys.
	groups [][]byte
}

// types finds the types that the query selects. It is nil where they can't be listed
// by type: the query asks for none, the generation has yet to be told the types of
// all, or the subject has too many.
func (l *listing) types() (*byTypes, error) {
	if len(l.sieve.query.ArtifactTypes) == 0 || l.records.Get(typingKey()) != nil {
		return nil, nil
	}
	prefix := inSection(sectionTypes, l.prefix)
	t := &byTypes{}
	if names := l.sieve.query.ExactTypes(); names != nil {
		for _, name := range names {
			t.groups = append(t.groups, slices.Concat(prefix, typeGroup([]byte(name))))
		}
		// Names that begin alike may share one.
		t.groups = slices.CompactFunc(t.groups, bytes.Equal)
		return t, nil
	}
	cursor := l.records.Cursor()
	key, _ := cursor.Seek(prefix)
	for range maxTypes {
		if !bytes.HasPrefix(key, prefix) {
			return t, nil
		}
		group, name, whole, ok := cutGroup(key[len(prefix):])
		if !ok {
			return nil, errTypeKey()
		}
		start := slices.Concat(prefix, group)
		if !whole || l.sieve.query.MatchesType(string(name)) {
			t.groups = append(t.groups, start)
		}
		key, _ = cursor.Seek(behindGroup(start))
	}
	return nil, nil
}

// behindGroup returns what stands behind all keys of a group: no digest begins with
// the highest byte.
func behindGroup(start []byte) []byte { return append(bytes.Clone(start), 0xff) }

// vain tells whether a listing has looked at so many referrers for so few entries that
// going by types is better.
func (l *listing) vain(entries int) bool {
	return len(l.sieve.query.ArtifactTypes) > 0 && !l.walks && l.looked > vainLooks+vainPerEntry*entries
}

// byTypesFrom gathers the rest of a page in the order of digests from the entries of
// types, behind a digest.
func (l *listing) byTypesFrom(t *byTypes, after []byte, g *gathering) error {
	walks := make([]*walk, len(t.groups))
	heads := make([][]byte, len(t.groups))
	for i, group := range t.groups {
		walks[i] = walkOf(l.records, group, after, l.sieve.query)
		heads[i], _ = walks[i].first()
	}
	for {
		at := l.nextDigest(t, heads)
		if at < 0 {
			return nil
		}
		e, selected, err := l.referrer(heads[at][len(t.groups[at]):])
		if err != nil {
			return err
		}
		if selected && !g.take(e) {
			return nil
		}
		heads[at], _ = walks[at].next()
	}
}

// nextDigest returns the place of the key whose digest comes first in the order of the
// query, -1 where there is none.
func (l *listing) nextDigest(t *byTypes, heads [][]byte) int {
	first := -1
	for i, head := range heads {
		if head == nil {
			continue
		}
		if first < 0 {
			first = i
			continue
		}
		order := bytes.Compare(head[len(t.groups[i]):], heads[first][len(t.groups[first]):])
		if order < 0 != l.sieve.query.Order.Descending {
			first = i
		}
	}
	return first
}

// selectFew gathers the page from the entries of types, where these are few, and
// reports whether it has: they don't come in the order of the listing.
func (l *listing) selectFew(g *gathering) (done bool, err error) {
	l.walks = true
	t, err := l.types()
	if t == nil || err != nil {
		return false, err
	}
	if few, err := l.few(t); !few || err != nil {
		return false, err
	}
	return true, l.selectOfTypes(t, g)
}

// few tells whether the types have few entries.
func (l *listing) few(t *byTypes) (bool, error) {
	count := 0
	for _, group := range t.groups {
		w := walk{cursor: l.records.Cursor(), prefix: group}
		for key, _ := w.first(); key != nil; key, _ = w.next() {
			if err := l.look(); err != nil {
				return false, err
			}
			if count++; count > fewOfTypes {
				return false, nil
			}
		}
	}
	return true, nil
}

// selectOfTypes gathers the entries of a page out of all that have one of the types.
func (l *listing) selectOfTypes(t *byTypes, g *gathering) error {
	g.restart()
	s := g.selection()
	for _, group := range t.groups {
		w := walk{cursor: l.records.Cursor(), prefix: group}
		for key, created := w.first(); key != nil; key, created = w.next() {
			e, selected, err := l.referrer(key[len(group):])
			if err != nil {
				return err
			}
			if !selected {
				continue
			}
			if e.key = created; l.sieve.query.Order.By != index.SortCreated {
				sortKey, err := l.sieve.sortKey(e)
				if err != nil {
					return err
				}
				e.key = []byte(sortKey)
			}
			s.Add(e, e.place())
		}
	}
	g.addSelected(&s)
	return nil
}

// referrer reads the referrer that has a compact digest.
func (l *listing) referrer(manifest []byte) (entry, bool, error) {
	if _, rest, err := packed.CutDigest(manifest); err != nil || len(rest) > 0 {
		return entry{}, false, errTypeKey()
	}
	key := slices.Concat(l.prefix, manifest)
	value := l.records.Get(key)
	if value == nil {
		return entry{}, false, errTypeKey()
	}
	return l.read(key, value)
}
