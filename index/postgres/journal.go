package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/index"
)

const (
	putJournal = `INSERT INTO journal (book, key, value) SELECT $1, n.key, n.value FROM unnest($2::bytea[], $3::bytea[]) AS n(key, value)
		ON CONFLICT (book, key) DO UPDATE SET value = excluded.value`
	selectJournal = `SELECT key, value FROM journal WHERE book = $1 AND key > $2 ORDER BY key LIMIT $3`
	dropJournal   = `DELETE FROM journal WHERE book = $1 AND key = ANY($2::bytea[])`
	trimJournal   = `DELETE FROM journal WHERE book = $1 AND key IN
		(SELECT key FROM journal WHERE book = $1 AND key < $2 ORDER BY key LIMIT $3)`
)

// changeJournal makes a statement that changes the journal, and returns how many
// entries it was about. It keeps out who else changes the journal, and no other
// writers.
func (s *Store) changeJournal(ctx context.Context, statement string, args ...any) (entries int, err error) {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	lock := func(batch *pgx.Batch) { batch.Queue(lockSQL, s.lockKey(lockJournal)) }
	err = s.locked(limited, lock, func(ctx context.Context, tx pgx.Tx, _ state) error {
		tag, err := tx.Exec(ctx, statement, args...)
		entries = int(tag.RowsAffected())
		return err
	})
	if limited.Err() != nil {
		// The store's time is not the caller's.
		err = s.failure(ctx, err)
	}
	return entries, err
}

// WriteJournal implements [index.Journal].
func (s *Store) WriteJournal(ctx context.Context, book index.Book, entries ...index.JournalEntry) error {
	err := book.CheckEntries(entries...)
	if err == nil && len(entries) > 0 {
		keys, values := lastOfEach(entries)
		_, err = s.changeJournal(ctx, putJournal, book, keys, values)
	}
	if err != nil {
		return fmt.Errorf("write to the journal %s: %w", book, err)
	}
	return nil
}

// lastOfEach returns the keys of entries, and the last value of each: one
// statement writes a row once.
func lastOfEach(entries []index.JournalEntry) (keys, values [][]byte) {
	places := make(map[string]int, len(entries))
	for _, entry := range entries {
		place, again := places[entry.Key]
		if again {
			values[place] = entry.Value
			continue
		}
		places[entry.Key] = len(keys)
		keys, values = append(keys, []byte(entry.Key)), append(values, entry.Value)
	}
	return keys, values
}

// ReadJournal implements [index.Journal].
func (s *Store) ReadJournal(ctx context.Context, book index.Book, after string, limit int) ([]index.JournalEntry, error) {
	var entries []index.JournalEntry
	err := book.CheckPlace(after)
	if err == nil {
		err = s.read(ctx, func(ctx context.Context) error {
			rows, err := s.pool.Query(ctx, selectJournal, book, []byte(after), most(limit))
			if err != nil {
				return err
			}
			entries, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry index.JournalEntry, err error) {
				var key []byte
				err = row.Scan(&key, &entry.Value)
				entry.Key = string(key)
				return entry, err
			})
			return err
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
	named := make([][]byte, len(keys))
	for i, key := range keys {
		named[i] = []byte(key)
	}
	if err == nil && len(keys) > 0 {
		_, err = s.changeJournal(ctx, dropJournal, book, named)
	}
	if err != nil {
		return fmt.Errorf("drop from the journal %s: %w", book, err)
	}
	return nil
}

// TrimJournal implements [index.Journal].
func (s *Store) TrimJournal(ctx context.Context, book index.Book, before string, limit int) (dropped int, err error) {
	if err = book.CheckPlace(before); err == nil {
		dropped, err = s.changeJournal(ctx, trimJournal, book, []byte(before), most(limit))
	}
	if err != nil {
		return 0, fmt.Errorf("trim the journal %s: %w", book, err)
	}
	return dropped, nil
}
