package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// tour goes through a section of all repositories of a generation, in the order
// of their names.
type tour struct {
	g             *generation
	in            section
	names, cursor *bbolt.Cursor
	// repository is where it is, with its number; prefix begins the keys there.
	repository []byte
	number     repositoryNumber
	prefix     []byte
	// shelf is that of the record which was read last.
	shelf *shelf
}

func (g *generation) tour(in section) *tour {
	return &tour{g: g, in: in, names: g.records.Cursor(), cursor: g.records.Cursor()}
}

// first moves to the first entry behind a key, which begins with the name of a
// repository and need not be there; nil means the first of all. It returns what
// the key of the entry has behind the prefix; nil at the end.
func (t *tour) first(after []byte) (rest, value []byte, err error) {
	name, start, _ := bytes.Cut(after, []byte{0})
	key, number := t.names.Seek(nameKey(name))
	if !bytes.Equal(key, nameKey(name)) {
		return t.enter(key, number)
	}
	if err := t.at(key, number); err != nil {
		return nil, nil, err
	}
	key, value = seekBehind(t.cursor, append(bytes.Clone(t.prefix), start...))
	return t.within(key, value)
}

// next moves on.
func (t *tour) next() (rest, value []byte, err error) {
	key, value := t.cursor.Next()
	return t.within(key, value)
}

// within returns an entry, or the first of a later repository where it is of
// another section.
func (t *tour) within(key, value []byte) (rest, of []byte, err error) {
	if bytes.HasPrefix(key, t.prefix) {
		return key[len(t.prefix):], value, nil
	}
	return t.enter(t.names.Next())
}

// enter moves to the first entry of a repository, of which the entry of its
// name is given, or of a later one.
func (t *tour) enter(key, number []byte) (rest, value []byte, err error) {
	for ; bytes.HasPrefix(key, nameKey(nil)); key, number = t.names.Next() {
		if err := t.at(key, number); err != nil {
			return nil, nil, err
		}
		key, value := t.cursor.Seek(t.prefix)
		if bytes.HasPrefix(key, t.prefix) {
			return key[len(t.prefix):], value, nil
		}
	}
	return nil, nil, nil
}

func (t *tour) at(key, number []byte) (err error) {
	if t.number, err = readNumber(number); err != nil {
		return err
	}
	t.repository, t.prefix = key[prefixSize:], sectionKey(t.number, t.in)
	return nil
}

// key returns a key with the name of the repository, from what is behind the
// prefix.
func (t *tour) key(rest []byte) []byte {
	key := make([]byte, 0, len(t.repository)+1+len(rest))
	return append(append(append(key, t.repository...), 0), rest...)
}
