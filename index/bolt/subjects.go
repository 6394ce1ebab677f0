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
		number, found, err := live.find([]byte(repository))
		if err != nil || !found {
			return err
		}
		records := lookup{cursor: live.records.Cursor()}
		for i, key := range keys {
			if i%countStep == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			_, manifest, _ := bytes.Cut(key, []byte{0})
			if subjects[i], err = subjectOf(records.get(sectionKey(number, sectionManifests, manifest))); err != nil {
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

// nearby is how many keys a lookup goes on before it is quicker to look a key up.
const nearby = 8

// lookup looks keys up that lie close to each other, as those of a list in order
// do.
type lookup struct {
	cursor *bbolt.Cursor
	// key and value are where the cursor is; no key where it is nowhere.
	key, value []byte
}

// get returns the value of a key, nil where there is none.
func (l *lookup) get(key []byte) []byte {
	for range nearby {
		if l.key == nil || bytes.Compare(l.key, key) >= 0 {
			break
		}
		l.key, l.value = l.cursor.Next()
	}
	if !bytes.Equal(l.key, key) {
		l.key, l.value = l.cursor.Seek(key)
	}
	if !bytes.Equal(l.key, key) {
		return nil
	}
	return l.value
}

// subjectOf returns the subject that a record names; empty where it names none,
// or there is no record.
func subjectOf(value []byte) (digest.Digest, error) {
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
