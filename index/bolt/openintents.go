package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"go.etcd.io/bbolt"
)

// role says under which aspect an intent is found in the open bucket: behind
// the repository stand the role, then what it is found by, then its number.
type role byte

const (
	rolePush    role = 'p' // by digest
	roleDelete  role = 'd' // by digest
	roleImport  role = 'i' // by tag, then a zero byte
	roleSubject role = 's' // a push, by the digests of its subject and its own
)

const intentIDSize = 8

// intentKey is the key of the manifest that an intent is about.
func intentKey(intent index.Intent) ([]byte, error) {
	return repositoryKey(intent.Record.Repository, intent.Record.Digest)
}

// openPrefix is the beginning of the keys by which intents are found. The key
// is that of a manifest: repository, zero byte, digest.
func openPrefix(key []byte, as role) []byte {
	return appendPrefix(make([]byte, 0, len(key)+1+intentIDSize), key, as)
}

func appendPrefix(prefix, key []byte, as role) []byte {
	repository := bytes.IndexByte(key, 0) + 1
	prefix = append(prefix, key[:repository]...)
	prefix = append(prefix, byte(as))
	return append(prefix, key[repository:]...)
}

// openKeys returns the keys by which an intent is found.
func openKeys(intent index.Intent) ([][]byte, error) {
	id := number(uint64(intent.ID))
	if intent.Kind == index.IntentImport {
		repository, err := repositoryKey(intent.Record.Repository)
		if err != nil {
			return nil, err
		}
		return [][]byte{append(importPrefix(repository, intent.Tag), id...)}, nil
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
		key, err := repositoryKey(intent.Record.Repository, subject, intent.Record.Digest)
		if err != nil {
			return nil, err
		}
		keys = append(keys, append(openPrefix(key, roleSubject), id...))
	}
	return keys, nil
}

// importPrefix is the beginning of the keys of the imports of a tag, of a
// repository with its zero byte.
func importPrefix(repository []byte, tag string) []byte {
	prefix := openPrefix(repository, roleImport)
	prefix = append(prefix, tag...)
	return append(prefix, 0)
}

// putIntent writes an intent, a new one or one that is open already.
func (w *writing) putIntent(intent index.Intent) error {
	value, err := encodeIntent(intent)
	if err != nil {
		return err
	}
	if err := w.touchIntent(intent); err != nil {
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
	if err := w.putReplaces(intent); err != nil {
		return err
	}
	return w.put(w.intents, number(uint64(intent.ID)), value)
}

// end removes an intent.
func (w *writing) end(intent index.Intent) error {
	if err := w.touchIntent(intent); err != nil {
		return err
	}
	keys, err := openKeys(intent)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := w.delete(w.open, key); err != nil {
			return err
		}
	}
	if err := w.dropReplaces(intent.ID); err != nil {
		return err
	}
	return w.delete(w.intents, number(uint64(intent.ID)))
}

// intent returns an open intent.
func (w *writing) intent(id index.IntentID) (intent index.Intent, open bool, err error) {
	value := w.intents.Get(number(uint64(id)))
	if value == nil {
		return removal(w.tx.Bucket([]byte(tableRemovals)), id)
	}
	intent, err = readIntent(w.tx, id, value)
	return intent, true, err
}

func roleOf(kind index.IntentKind) role {
	if kind == index.IntentDelete {
		return roleDelete
	}
	return rolePush
}

// appendOpen appends to ids those of the intents whose keys begin with a prefix,
// which it looks for with a cursor of the open bucket. What stands between the
// prefix and the number is taken off by cut, which may also leave the intent
// out; nil stands for nothing.
func appendOpen(ids []index.IntentID, cursor *bbolt.Cursor, prefix []byte, cut func(rest []byte) (id []byte, wanted bool, err error)) ([]index.IntentID, error) {
	for key, _ := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = cursor.Next() {
		id, wanted := key[len(prefix):], true
		if cut != nil {
			var err error
			if id, wanted, err = cut(id); err != nil {
				return nil, err
			}
		}
		if len(id) != intentIDSize {
			return nil, fmt.Errorf("%w: key of an open intent", index.ErrDamaged)
		}
		if wanted {
			ids = append(ids, index.IntentID(binary.BigEndian.Uint64(id)))
		}
	}
	return ids, nil
}

// dropOverDeletes ends the deletes that can no longer matter, as the rules say.
func (w *writing) dropOverDeletes() error {
	var deletes []index.IntentID
	cursor := w.intents.Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		if len(key) != intentIDSize {
			return fmt.Errorf("%w: key of an intent", index.ErrDamaged)
		}
		if len(value) == 0 || index.IntentKind(value[0]) == index.IntentDelete {
			deletes = append(deletes, index.IntentID(binary.BigEndian.Uint64(key)))
		}
	}
	for _, id := range deletes {
		if err := w.onIntent(id, func(m *ledger.Matter) error { return m.EndOver(id, w.now) }); err != nil {
			return err
		}
	}
	return nil
}
