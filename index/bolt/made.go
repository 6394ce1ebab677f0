package bolt

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
)

// SetMade implements [index.Store]. It costs no write where nothing changes.
func (s *Store) SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error {
	manifests := slices.Sorted(maps.Keys(made))
	keys, err := noteKeys(repository, manifests)
	if err == nil && len(keys) > 0 {
		err = s.change(ctx, func(w *writing) error {
			for i, manifest := range manifests {
				if err := w.setMade(keys[i], made[manifest]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("note when images of %s were made: %w", repository, err)
	}
	return nil
}

func (w *writing) setMade(key []byte, at time.Time) error {
	recorded := slices.ContainsFunc(w.generations(), func(g *generation) bool { return g.get(key) != nil })
	var e encoder
	e.Time(at)
	bucket := w.tx.Bucket([]byte(tableMade))
	if !recorded || bucket != nil && bytes.Equal(bucket.Get(key), e.B) {
		return nil
	}
	bucket, err := w.tx.CreateBucketIfNotExists([]byte(tableMade))
	if err != nil {
		return err
	}
	return w.put(bucket, key, e.B)
}

// Made implements [index.Store].
func (s *Store) Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error) {
	keys, err := noteKeys(repository, manifests)
	if err != nil {
		return nil, err
	}
	made := make(map[digest.Digest]time.Time)
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(tableMade))
		if bucket == nil {
			return nil
		}
		for i, key := range keys {
			value := bucket.Get(key)
			if value == nil {
				continue
			}
			d := decoder{packed.Decoder{B: value}}
			made[manifests[i]] = d.Time()
			if err := d.End("note when an image was made"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up when images of %s were made: %w", repository, err)
	}
	return made, nil
}

func noteKeys(repository string, manifests []digest.Digest) ([][]byte, error) {
	keys := make([][]byte, len(manifests))
	for i, manifest := range manifests {
		var err error
		if keys[i], err = repositoryKey(repository, manifest); err != nil {
			return nil, err
		}
	}
	if len(manifests) == 0 {
		return nil, checkName("repository", repository)
	}
	return keys, nil
}

// date finds the time by which each referrer of a page is ordered by time: the
// page is what was gathered from the referrers that have a prefix.
func (g *gathering) date(of *generation, prefix []byte, page *index.Page) error {
	annotated := encodeKey(index.AnnotationCreated)
	for i := range g.entries {
		e := &g.entries[i]
		text, given, err := annotation(e.referrer.annotations, annotated)
		if err != nil {
			return err
		}
		if given {
			if at, is := index.Created(map[string]string{index.AnnotationCreated: text}); is {
				page.Referrers[i].Created = at.UTC()
				continue
			}
		}
		_, kept, err := cutStamp(of.records.Get(sectionKey(repositoryNumber(prefix[:numberSize]), sectionManifests, e.digest)))
		if err != nil {
			return err
		}
		d := decoder{packed.Decoder{B: kept}}
		if page.Referrers[i].Created = d.Time(); d.Failed {
			return errRecordValue()
		}
	}
	return nil
}
