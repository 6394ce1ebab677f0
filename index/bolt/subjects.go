package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// Subjects implements [index.Store].
func (s *Store) Subjects(ctx context.Context, repository string, manifests []digest.Digest) ([]digest.Digest, error) {
	keys := make([][]byte, len(manifests))
	for i, manifest := range manifests {
		var err error
		if keys[i], err = repositoryKey(repository, manifest); err != nil {
			return nil, err
		}
	}
	subjects := make([]digest.Digest, len(manifests))
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if i%countStep == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if subjects[i], err = live.subject(key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up subjects in %s: %w", repository, err)
	}
	return subjects, nil
}

// subject returns the subject of a manifest, whose key is given; empty where
// there is none.
func (g *generation) subject(key []byte) (digest.Digest, error) {
	value := g.get(key)
	if value == nil {
		return "", nil
	}
	_, encoded, err := cutStamp(value)
	if err != nil {
		return "", err
	}
	d := decoder{packed.Decoder{B: encoded}}
	d.Time()
	var subject digest.Digest
	if d.Count() > 0 && index.EdgeKind(d.Byte()) == index.EdgeSubject {
		subject = d.digest()
	}
	if d.Failed {
		return "", errRecordValue()
	}
	return subject, nil
}
