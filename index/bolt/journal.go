package bolt

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/backref/backref/index"
)

// journalPrefix is what the names of the buckets of books begin with. Each is made
// with the first entry of its book.
const journalPrefix = "journal-"

func journalTable(book index.Book) []byte { return []byte(journalPrefix + string(book)) }

// WriteJournal implements [index.Journal].
func (s *Store) WriteJournal(ctx context.Context, book index.Book, entries ...index.JournalEntry) error {
	err := book.CheckEntries(entries...)
	if err == nil && len(entries) > 0 {
		err = s.change(ctx, func(w *writing) error { return w.writeJournal(book, entries) })
	}
	if err != nil {
		return fmt.Errorf("write to the journal %s: %w", book, err)
	}
	return nil
}

func (w *writing) writeJournal(book index.Book, entries []index.JournalEntry) error {
	bucket, err := w.tx.CreateBucketIfNotExists(journalTable(book))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := w.put(bucket, []byte(entry.Key), entry.Value); err != nil {
			return err
		}
	}
	return nil
}

// ReadJournal implements [index.Journal].
func (s *Store) ReadJournal(ctx context.Context, book index.Book, after string, limit int) ([]index.JournalEntry, error) {
	var entries []index.JournalEntry
	err := book.CheckPlace(after)
	if err == nil {
		err = s.view(ctx, func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(journalTable(book))
			if bucket == nil {
				return nil
			}
			cursor := bucket.Cursor()
			key, value := seekBehind(cursor, []byte(after))
			for ; key != nil && (limit <= 0 || len(entries) < limit); key, value = cursor.Next() {
				entries = append(entries, index.JournalEntry{Key: string(key), Value: bytes.Clone(value)})
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal %s: %w", book, err)
	}
	return entries, nil
}

// DropJournal implements [index.Journal].
func (s *Store) DropJournal(ctx context.Context, book index.Book, keys ...string) error {
	err := book.CheckKeys(keys...)
	if err == nil && len(keys) > 0 {
		err = s.change(ctx, func(w *writing) error {
			bucket := w.tx.Bucket(journalTable(book))
			for _, key := range keys {
				if bucket == nil || bucket.Get([]byte(key)) == nil {
					continue
				}
				if err := w.delete(bucket, []byte(key)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("drop from the journal %s: %w", book, err)
	}
	return nil
}

// TrimJournal implements [index.Journal].
func (s *Store) TrimJournal(ctx context.Context, book index.Book, before string, limit int) (dropped int, err error) {
	// A change whose context has ended may still be under way, and write to it.
	var trimmed int
	if err = book.CheckPlace(before); err == nil {
		err = s.change(ctx, func(w *writing) (err error) {
			trimmed, err = w.trimJournal(book, []byte(before), limit)
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("trim the journal %s: %w", book, err)
	}
	return trimmed, nil
}

func (w *writing) trimJournal(book index.Book, before []byte, limit int) (dropped int, err error) {
	bucket := w.tx.Bucket(journalTable(book))
	if bucket == nil {
		return 0, nil
	}
	// A cursor that is deleted under may skip keys, so they are gathered first.
	var keys [][]byte
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil && bytes.Compare(key, before) < 0 && (limit <= 0 || len(keys) < limit); key, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		if err := w.delete(bucket, key); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
