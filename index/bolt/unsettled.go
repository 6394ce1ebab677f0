package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// Unsettled implements [index.Store]. A repository without open intents costs
// one seek.
func (s *Store) Unsettled(ctx context.Context, repository string, subject digest.Digest) ([]index.Intent, error) {
	key, err := repositoryKey(repository, subject)
	if err != nil {
		return nil, err
	}
	var intents []index.Intent
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		open, err := openTable(tx, tableOpen)
		if err != nil {
			return err
		}
		prefix := key[:len(repository)+1]
		if first, _ := open.Cursor().Seek(prefix); !bytes.HasPrefix(first, prefix) {
			return nil
		}
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		ids, err := unsettled(open, live, key, oci.ReferrersTag(subject))
		if err != nil {
			return err
		}
		slices.Sort(ids)
		intents, err = readIntents(tx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list unsettled intents of %s in %s: %w", subject, repository, err)
	}
	return intents, nil
}

// unsettled collects the intents that may change the listing of a subject,
// whose key is given.
func unsettled(open *bbolt.Bucket, live *generation, key []byte, tag string) ([]index.IntentID, error) {
	repository := key[:bytes.IndexByte(key, 0)+1]
	referrers := live.key(key)
	if referrers != nil {
		referrers = inSection(sectionReferrers, referrers)
	}
	pushes := openPrefix(key, roleSubject)
	cursor, pushed := open.Cursor(), open.Cursor()
	ids, err := appendOpen(nil, cursor, importPrefix(repository, tag), nil)
	if err != nil {
		return nil, err
	}
	if ids, err = appendOpen(ids, cursor, pushes, cutAnyDigest); err != nil {
		return nil, err
	}
	// A delete of what is listed, or will be once a push is settled.
	return appendOpen(ids, cursor, openPrefix(repository, roleDelete), func(rest []byte) ([]byte, bool, error) {
		manifest, id, err := packed.CutDigest(rest)
		if err != nil {
			return nil, false, err
		}
		if referrers != nil && live.records.Get(slices.Concat(referrers, manifest)) != nil {
			return id, true, nil
		}
		push := slices.Concat(pushes, manifest)
		found, _ := pushed.Seek(push)
		return id, bytes.HasPrefix(found, push), nil
	})
}

func cutAnyDigest(rest []byte) (id []byte, wanted bool, err error) {
	_, id, err = packed.CutDigest(rest)
	return id, true, err
}

func readIntents(tx *bbolt.Tx, ids []index.IntentID) ([]index.Intent, error) {
	bucket, err := openTable(tx, tableIntents)
	if err != nil {
		return nil, err
	}
	intents := make([]index.Intent, len(ids))
	for i, id := range ids {
		value := bucket.Get(number(uint64(id)))
		if value == nil {
			return nil, fmt.Errorf("%w: open intent %d has no value", index.ErrDamaged, id)
		}
		if intents[i], err = readIntent(tx, id, value); err != nil {
			return nil, err
		}
	}
	return intents, nil
}
