package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

var _ index.TagSubjects = (*Store)(nil)

// TagSubject implements [index.TagSubjects].
func (s *Store) TagSubject(ctx context.Context, repository, tag string) (digest.Digest, error) {
	var subject digest.Digest
	key, err := repositoryKey(repository)
	if err == nil {
		var begins []byte
		if begins, err = packed.TagPrefix(tag); err == nil {
			err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
				subject, err = findSubject(tx, key, begins)
				return err
			})
		}
	}
	if err != nil {
		return "", fmt.Errorf("find the subject of %s in %s: %w", tag, repository, err)
	}
	return subject, nil
}

// findSubject finds a subject that begins with some bytes, in a repository with
// its zero byte.
func findSubject(tx *bbolt.Tx, repository, begins []byte) (digest.Digest, error) {
	live, err := openLive(tx)
	if err != nil {
		return "", err
	}
	n, found, err := live.find(repository[:len(repository)-1])
	if err != nil {
		return "", err
	}
	if found {
		prefix := sectionKey(n, sectionReferrers, begins)
		if key, _ := live.records.Cursor().Seek(prefix); bytes.HasPrefix(key, prefix) {
			return cutSubject(key[prefixSize:])
		}
	}
	open, err := openTable(tx, tableOpen)
	if err != nil {
		return "", err
	}
	role := openPrefix(repository, roleSubject)
	if key, _ := open.Cursor().Seek(append(bytes.Clone(role), begins...)); bytes.HasPrefix(key, role) && bytes.HasPrefix(key[len(role):], begins) {
		return cutSubject(key[len(role):])
	}
	return "", index.ErrNotFound
}

func cutSubject(key []byte) (digest.Digest, error) {
	compact, _, err := packed.CutDigest(key)
	if err != nil {
		return "", err
	}
	return packed.ExpandDigest(compact), nil
}
