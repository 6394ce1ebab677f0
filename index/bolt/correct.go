package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

// Correct implements [index.Maintainer].
func (s *Store) Correct(ctx context.Context, mark index.Mark, record index.Record) error {
	key, err := checkRecord(record)
	if err != nil {
		return err
	}
	stale := false
	err = s.change(ctx, func(w *writing) error {
		stale = false
		wrong, err := w.wrongRecord(key, record)
		if err != nil || !wrong {
			return err
		}
		if stale, err = w.stalePresent(key, mark); stale || err != nil {
			return err
		}
		return w.correct(key, record)
	})
	if err == nil && stale {
		err = index.ErrStale
	}
	if err != nil {
		return fmt.Errorf("correct %s of %s: %w", record.Digest, record.Repository, err)
	}
	return nil
}

// wrongRecord reports whether a generation has a record of the manifest that
// says something else.
func (w *writing) wrongRecord(key []byte, record index.Record) (bool, error) {
	for _, g := range w.generations() {
		before, found, err := g.record(key)
		if err != nil {
			return false, err
		}
		if wrong, err := differ(before, record); found && (wrong || err != nil) {
			return wrong, err
		}
	}
	return false, nil
}

// differ tells whether two records of a manifest differ in more than Seen.
func differ(a, b index.Record) (bool, error) {
	a.Seen = b.Seen
	encodedA, err := encodeRecord(a)
	if err != nil {
		return false, err
	}
	encodedB, err := encodeRecord(b)
	return !bytes.Equal(encodedA, encodedB), err
}

// correct replaces a record in the generations that have it, each with its own
// Seen. One that is live goes to the generation in the making too: else what is
// copied there could be what was wrong.
func (w *writing) correct(key []byte, record index.Record) error {
	known := false
	for _, g := range w.generations() {
		before, found, err := g.record(key)
		if err != nil {
			return err
		}
		if found {
			record.Seen, known = before.Seen, true
		}
		if !known {
			continue
		}
		if _, err := w.putIn(g, key, record, false); err != nil {
			return err
		}
	}
	return nil
}
