package measure

import (
	"context"
	"time"

	"github.com/backref/backref/index"
)

// WriteJournal implements [index.Maintainer].
func (s *Store) WriteJournal(ctx context.Context, book index.Book, entries ...index.JournalEntry) error {
	start := time.Now()
	err := s.store.WriteJournal(ctx, book, entries...)
	s.metrics.writeJournal.done(start, err)
	return err
}

// ReadJournal implements [index.Maintainer].
func (s *Store) ReadJournal(ctx context.Context, book index.Book, after string, limit int) ([]index.JournalEntry, error) {
	start := time.Now()
	found, err := s.store.ReadJournal(ctx, book, after, limit)
	s.metrics.readJournal.done(start, err)
	return found, err
}

// DropJournal implements [index.Maintainer].
func (s *Store) DropJournal(ctx context.Context, book index.Book, keys ...string) error {
	start := time.Now()
	err := s.store.DropJournal(ctx, book, keys...)
	s.metrics.dropJournal.done(start, err)
	return err
}

// TrimJournal implements [index.Maintainer].
func (s *Store) TrimJournal(ctx context.Context, book index.Book, before string, limit int) (int, error) {
	start := time.Now()
	dropped, err := s.store.TrimJournal(ctx, book, before, limit)
	s.metrics.trimJournal.done(start, err)
	return dropped, err
}
