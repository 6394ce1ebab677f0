package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// role says under which aspect an intent is found in the open bucket: behind
// the repository stand the role, then what it is found by, then its number.
type role byte

const (
	rolePush    role = 'p' // by digest
	roleDelete  role = 'd' // by digest
	roleImport  role = 'i' // by tag, then a zero byte
	roleSubject role = 's' // a push, by the digest of its subject
)

const intentIDSize = 8

// intentKey is the key of the manifest that an intent is about.
func intentKey(intent index.Intent) ([]byte, error) {
	return repositoryKey(intent.Record.Repository, intent.Record.Digest)
}

// openPrefix is the beginning of the keys by which intents are found. The key
// is that of a manifest: repository, zero byte, digest.
func openPrefix(key []byte, as role) []byte {
	repository := bytes.IndexByte(key, 0) + 1
	prefix := make([]byte, 0, len(key)+1+intentIDSize)
	prefix = append(prefix, key[:repository]...)
	prefix = append(prefix, byte(as))
	return append(prefix, key[repository:]...)
}

// openKeys returns the keys by which an intent is found.
func openKeys(intent index.Intent) ([][]byte, error) {
	id := number(uint64(intent.ID))
	if intent.Kind == index.IntentImport {
		key, err := tagKey(intent.Record.Repository, intent.Tag)
		return [][]byte{append(key, id...)}, err
	}
	key, err := intentKey(intent)
	if err != nil {
		return nil, err
	}
	if intent.Kind == index.IntentDelete {
		return [][]byte{append(openPrefix(key, roleDelete), id...)}, nil
	}
	keys := [][]byte{append(openPrefix(key, rolePush), id...)}
	if subject := intent.Record.Subject(); subject != "" {
		key, err := repositoryKey(intent.Record.Repository, subject)
		if err != nil {
			return nil, err
		}
		keys = append(keys, append(openPrefix(key, roleSubject), id...))
	}
	return keys, nil
}

func tagKey(repository, tag string) ([]byte, error) {
	key, err := repositoryKey(repository)
	key = append(key, byte(roleImport))
	key = append(key, tag...)
	return append(key, 0), err
}

// putIntent writes an intent, a new one or one that is open already.
func (w *writing) putIntent(intent index.Intent) error {
	value, err := encodeIntent(intent)
	if err != nil {
		return err
	}
	keys, err := openKeys(intent)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if w.open.Get(key) == nil {
			if err := w.put(w.open, key, []byte{}); err != nil {
				return err
			}
		}
	}
	return w.put(w.intents, number(uint64(intent.ID)), value)
}

// end removes an intent.
func (w *writing) end(intent index.Intent) error {
	keys, err := openKeys(intent)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := w.delete(w.open, key); err != nil {
			return err
		}
	}
	return w.delete(w.intents, number(uint64(intent.ID)))
}

// intent returns an open intent, or nil.
func (w *writing) intent(id index.IntentID) (*index.Intent, error) {
	value := w.intents.Get(number(uint64(id)))
	if value == nil {
		return nil, nil
	}
	intent, err := decodeIntent(id, value)
	return &intent, err
}

// openIntents returns the open intents of a kind for a manifest.
func (w *writing) openIntents(key []byte, kind index.IntentKind) ([]index.IntentID, error) {
	return findOpen(w.open, openPrefix(key, roleOf(kind)))
}

func roleOf(kind index.IntentKind) role {
	if kind == index.IntentDelete {
		return roleDelete
	}
	return rolePush
}

// anyOpen reports whether a push or delete other than the given one is open
// for a manifest.
func (w *writing) anyOpen(key []byte, but index.IntentID) bool {
	cursor := w.open.Cursor()
	for _, as := range []role{rolePush, roleDelete} {
		prefix := openPrefix(key, as)
		for k, _ := cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cursor.Next() {
			if id := k[len(prefix):]; len(id) == intentIDSize && binary.BigEndian.Uint64(id) != uint64(but) {
				return true
			}
		}
	}
	return false
}

// findOpen returns the intents whose keys have nothing but their number behind
// the prefix.
func findOpen(open *bbolt.Bucket, prefix []byte) (ids []index.IntentID, err error) {
	cursor := open.Cursor()
	for key, _ := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		id := key[len(prefix):]
		if len(id) != intentIDSize {
			return nil, fmt.Errorf("%w: key of an open intent", index.ErrDamaged)
		}
		ids = append(ids, index.IntentID(binary.BigEndian.Uint64(id)))
	}
	return ids, nil
}

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
		ids, err := unsettled(tx, open, key, repository, subject)
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

// unsettled collects the pushes with a subject, the imports of its referrers
// tag, and the deletes of its referrers.
func unsettled(tx *bbolt.Tx, open *bbolt.Bucket, key []byte, repository string, subject digest.Digest) ([]index.IntentID, error) {
	ids, err := findOpen(open, openPrefix(key, roleSubject))
	if err != nil {
		return nil, err
	}
	tag, err := tagKey(repository, index.ReferrersTag(subject))
	if err != nil {
		return nil, err
	}
	imports, err := findOpen(open, tag)
	if err != nil {
		return nil, err
	}
	ids = append(ids, imports...)
	live, err := liveTables(tx, tableReferrers)
	if err != nil {
		return nil, err
	}
	deletes := openPrefix(key[:len(repository)+1], roleDelete)
	cursor := open.Cursor()
	for k, _ := cursor.Seek(deletes); bytes.HasPrefix(k, deletes); k, _ = cursor.Next() {
		manifest, id, err := cutDigest(k[len(deletes):])
		if err != nil {
			return nil, err
		}
		if len(id) != intentIDSize {
			return nil, fmt.Errorf("%w: key of an open delete", index.ErrDamaged)
		}
		if live[0].Get(slices.Concat(key, manifest)) != nil {
			ids = append(ids, index.IntentID(binary.BigEndian.Uint64(id)))
		}
	}
	return ids, nil
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
		if intents[i], err = decodeIntent(id, value); err != nil {
			return nil, err
		}
	}
	return intents, nil
}

// dropOverDeletes ends the deletes that can no longer matter: they are over,
// what they deleted has no record, and no push of it is open.
func (w *writing) dropOverDeletes() error {
	var over []index.Intent
	cursor := w.open.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		at := bytes.IndexByte(key, 0) + 1
		if at == 0 || at == len(key) || role(key[at]) != roleDelete || len(key) < at+1+intentIDSize {
			continue
		}
		id := index.IntentID(binary.BigEndian.Uint64(key[len(key)-intentIDSize:]))
		intent, err := w.intent(id)
		if err != nil {
			return err
		}
		if intent == nil {
			return fmt.Errorf("%w: open intent %d has no value", index.ErrDamaged, id)
		}
		if w.now.After(intent.Deadline) {
			over = append(over, *intent)
		}
	}
	for _, intent := range over {
		if err := w.dropOverDelete(intent); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) dropOverDelete(intent index.Intent) error {
	key, err := intentKey(intent)
	if err != nil {
		return err
	}
	pushes, err := w.openIntents(key, index.IntentPush)
	if err != nil || len(pushes) > 0 || w.manifests.Get(key) != nil {
		return err
	}
	if err := w.markGone(key); err != nil {
		return err
	}
	return w.end(intent)
}
