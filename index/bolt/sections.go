package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// section is a part of what a generation has of a repository. All parts lie
// together, so that a change of a small repository writes few pages.
type section byte

// The sections. They are part of the stored format. The first three are those of
// the number 0, which no repository has.
const (
	sectionCheckpoint section = 'k' // nothing → that of a rebuild
	sectionNames      section = 'n' // repository → number
	sectionTyping     section = 'y' // nothing → how far types are made: see [typingKey]

	sectionCreated   section = 'c' // subject, created, digest → artifact type
	sectionManifests section = 'm' // digest → record
	sectionParents   section = 'p' // target, digest, kind → nothing
	sectionReferrers section = 'r' // subject, digest → referrer
	sectionTypes     section = 't' // subject, artifact type, digest → created
)

// repositoryNumber stands for a repository in the keys of a generation. It is
// given when the first record comes, removed with the last, and not used again.
type repositoryNumber [numberSize]byte

const numberSize = 4

// prefixSize is that of the number and section that begin a key.
const prefixSize = numberSize + 1

// find returns the number of a repository.
func (g *generation) find(name []byte) (n repositoryNumber, found bool, err error) {
	return g.findKey(nameKey(name))
}

func nameKey(name []byte) []byte { return sectionKey(repositoryNumber{}, sectionNames, name) }

func (g *generation) findKey(nameKey []byte) (n repositoryNumber, found bool, err error) {
	value := g.records.Get(nameKey)
	if value == nil {
		return n, false, nil
	}
	n, err = readNumber(value)
	return n, err == nil, err
}

func readNumber(value []byte) (n repositoryNumber, err error) {
	if len(value) != len(n) {
		return n, fmt.Errorf("%w: number of a repository", index.ErrDamaged)
	}
	return repositoryNumber(value), nil
}

// sectionKey returns a key of a section, or the beginning of one.
func sectionKey(n repositoryNumber, in section, rest ...[]byte) []byte {
	size := prefixSize
	for _, part := range rest {
		size += len(part)
	}
	key := make([]byte, 0, size)
	key = append(append(key, n[:]...), byte(in))
	for _, part := range rest {
		key = append(key, part...)
	}
	return key
}

// inSection returns a prefix, or key, as that of another section.
func inSection(in section, prefix []byte) []byte {
	prefix = bytes.Clone(prefix)
	prefix[prefixSize-1] = byte(in)
	return prefix
}

// address is the beginning of a key before the number of the repository is
// known. The key of the name stands in front of it, so that one piece of memory
// has both.
type address struct {
	buffer []byte
	name   int
}

func newAddress(repository string, in section, digests ...digest.Digest) (address, error) {
	if err := checkName("repository", repository); err != nil {
		return address{}, err
	}
	a := address{name: prefixSize + len(repository)}
	a.buffer = make([]byte, 0, a.name+prefixSize+len(digests)*(1+packed.SizeSHA256))
	a.buffer = append(append(a.buffer, 0, 0, 0, 0, byte(sectionNames)), repository...)
	a.buffer = append(a.buffer, 0, 0, 0, 0, byte(in))
	for _, d := range digests {
		var err error
		if a.buffer, err = packed.AppendDigest(a.buffer, d); err != nil {
			return address{}, err
		}
	}
	return a, nil
}

// within returns the beginning of the key in a generation, nil where it has
// nothing of the repository. It is valid until the next call.
func (a address) within(g *generation) ([]byte, error) {
	n, found, err := g.findKey(a.buffer[:a.name])
	if !found || err != nil {
		return nil, err
	}
	prefix := a.buffer[a.name:]
	copy(prefix, n[:])
	return prefix[:len(prefix):len(prefix)], nil
}

// key turns the key of a manifest, which has the name of the repository, into
// that of the generation; nil where it has nothing of the repository. A number
// that makes no sense is none here: [writing.give] reports it.
func (g *generation) key(key []byte) []byte {
	name, manifest, _ := bytes.Cut(key, []byte{0})
	n, found, err := g.find(name)
	if !found || err != nil {
		return nil
	}
	return sectionKey(n, sectionManifests, manifest)
}

// get returns what is kept of a manifest, nil where it has no record.
func (g *generation) get(key []byte) []byte {
	if key = g.key(key); key != nil {
		return g.records.Get(key)
	}
	return nil
}

// give returns the number of a repository, a new one where it has none.
func (w *writing) give(g *generation, repository string) (repositoryNumber, error) {
	n, found, err := g.find([]byte(repository))
	if found || err != nil {
		return n, err
	}
	next, err := g.records.NextSequence()
	if err != nil {
		return n, err
	}
	if next > math.MaxUint32 {
		return n, fmt.Errorf("repository %d: more than an index can number, rebuild it", next)
	}
	binary.BigEndian.PutUint32(n[:], uint32(next))
	return n, w.put(g.records, nameKey([]byte(repository)), bytes.Clone(n[:]))
}

// take takes the number from a repository that has no record any more.
func (w *writing) take(g *generation, repository string) error {
	n, found, err := g.find([]byte(repository))
	if !found || err != nil {
		return err
	}
	prefix := sectionKey(n, sectionManifests)
	if key, _ := g.records.Cursor().Seek(prefix); bytes.HasPrefix(key, prefix) {
		return nil
	}
	return w.delete(g.records, nameKey([]byte(repository)))
}

// fullPages is how full pages are left where nothing will come between what
// they hold.
const (
	fullPages = 0.95
	halfPages = bbolt.DefaultFillPercent
)

// keep writes an entry of a repository. Repositories that are new have the
// highest numbers, so what comes with them is put behind all others; where that
// is most of a transaction, as in a rebuild, pages are filled. Else they are
// split in halves, for more to come in between.
func (w *writing) keep(g *generation, n repositoryNumber, key, value []byte) error {
	if uint64(binary.BigEndian.Uint32(n[:])) > g.given {
		g.appended++
	} else {
		g.inserted++
	}
	g.records.FillPercent = halfPages
	if g.appended > g.inserted {
		g.records.FillPercent = fullPages
	}
	return w.put(g.records, key, value)
}
