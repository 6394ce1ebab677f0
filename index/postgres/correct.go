package postgres

import (
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
	err = s.change(&change{ctx: ctx, about: []matterKey{key}, apply: func(w *writing) error {
		stale = false
		m := w.matters[key]
		wrong, err := w.wrongRecord(m, record)
		if err != nil || !wrong {
			return err
		}
		if stale = w.stalePresent(m, mark); stale {
			return nil
		}
		return w.correct(m, record)
	}})
	if err == nil && stale {
		err = index.ErrStale
	}
	if err != nil {
		return fmt.Errorf("correct %s of %s: %w", record.Digest, record.Repository, err)
	}
	return nil
}

// wrongRecord reports whether a generation has a record of the manifest that
// says something else, but for when it was seen.
func (w *writing) wrongRecord(m *matter, record index.Record) (bool, error) {
	for _, v := range w.versions(m) {
		if v.is == nil {
			continue
		}
		var err error
		if record.Seen, err = v.is.seen(); err != nil {
			return false, err
		}
		right, err := encodeRow(record)
		if err != nil || !v.is.equal(right) {
			return true, err
		}
	}
	return false, nil
}

// correct replaces a record in the generations that have it, each with its own
// Seen. One that is live goes to the generation in the making too: else what is
// copied there could be what was wrong.
func (w *writing) correct(m *matter, record index.Record) error {
	known := false
	for _, v := range w.versions(m) {
		if v.is != nil {
			seen, err := v.is.seen()
			if err != nil {
				return err
			}
			record.Seen, known = seen, true
		}
		if !known {
			continue
		}
		if _, err := w.putIn(m, v, record, false); err != nil {
			return err
		}
	}
	return nil
}
