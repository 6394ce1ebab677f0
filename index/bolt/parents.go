package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// Parents implements [index.Store]. Those that name the target as their subject
// are its referrers, and have no other entry.
func (s *Store) Parents(ctx context.Context, repository string, target digest.Digest, after index.Parent, limit int) ([]index.Parent, error) {
	of, err := newAddress(repository, sectionParents, target)
	if err != nil {
		return nil, err
	}
	var start []byte
	if after.Digest != "" {
		if start, err = packed.AppendDigest(nil, after.Digest); err != nil {
			return nil, err
		}
		start = append(start, byte(after.Kind))
	}
	var parents []index.Parent
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		prefix, err := of.within(live)
		if prefix == nil || err != nil {
			return err
		}
		parents, err = readParents(live.records, prefix, start, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list parents of %s in %s: %w", target, repository, err)
	}
	return parents, nil
}

// readParents merges the parents of a target, whose prefix is given, with its
// referrers.
func readParents(records *bbolt.Bucket, prefix, start []byte, limit int) ([]index.Parent, error) {
	others := parentWalk{cursor: records.Cursor(), prefix: prefix}
	referrers := parentWalk{cursor: records.Cursor(), prefix: inSection(sectionReferrers, prefix), referrers: true}
	var parents []index.Parent
	other, referrer := others.first(start), referrers.first(start)
	for (other != nil || referrer != nil) && (limit <= 0 || len(parents) < limit) {
		at := other
		if other == nil || referrer != nil && bytes.Compare(referrer, other) < 0 {
			at, referrer = referrer, referrers.next()
		} else {
			other = others.next()
		}
		compact, kind, err := packed.CutDigest(at)
		if err != nil {
			return nil, err
		}
		if len(kind) != 1 {
			return nil, fmt.Errorf("%w: key of a parent", index.ErrDamaged)
		}
		parents = append(parents, index.Parent{Digest: packed.ExpandDigest(compact), Kind: index.EdgeKind(kind[0])})
	}
	return parents, nil
}

// parentWalk goes through manifests that name a target, each as its compact
// digest and the kind.
type parentWalk struct {
	cursor *bbolt.Cursor
	prefix []byte
	// referrers says that the keys are those of referrers, which lack the kind.
	referrers bool
}

// first moves to the first that is behind start; nil means the first of all.
func (p *parentWalk) first(start []byte) []byte {
	from := slices.Concat(p.prefix, start)
	if p.referrers && start != nil {
		from = from[:len(from)-1]
	}
	key, _ := p.cursor.Seek(from)
	at := p.read(key)
	for at != nil && bytes.Compare(at, start) <= 0 {
		at = p.next()
	}
	return at
}

// next moves on; nil at the end.
func (p *parentWalk) next() []byte {
	key, _ := p.cursor.Next()
	return p.read(key)
}

func (p *parentWalk) read(key []byte) []byte {
	rest, within := bytes.CutPrefix(key, p.prefix)
	if !within {
		return nil
	}
	if p.referrers {
		return append(bytes.Clone(rest), byte(index.EdgeSubject))
	}
	return rest
}

// parentKeys returns the keys of a record in the section of parents.
func parentKeys(n repositoryNumber, record index.Record) ([][]byte, error) {
	manifest, err := packed.AppendDigest(nil, record.Digest)
	if err != nil {
		return nil, err
	}
	edges := record.Edges
	if record.Subject() != "" {
		edges = edges[1:]
	}
	keys := make([][]byte, 0, len(edges))
	for _, edge := range edges {
		target, err := packed.AppendDigest(nil, edge.Target)
		if err != nil {
			return nil, err
		}
		keys = append(keys, sectionKey(n, sectionParents, target, manifest, []byte{byte(edge.Kind)}))
	}
	return keys, nil
}

func (w *writing) putParents(g *generation, n repositoryNumber, record index.Record) error {
	keys, err := parentKeys(n, record)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := w.keep(g, n, key, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) removeParents(g *generation, n repositoryNumber, record index.Record) error {
	keys, err := parentKeys(n, record)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := w.delete(g.records, key); err != nil {
			return err
		}
	}
	return nil
}
