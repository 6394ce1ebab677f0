package reconcile

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

const (
	// trimInterval is how often it is looked whether there is more than is kept.
	trimInterval = time.Minute
	// trimBatch is how many records are dropped in one transaction.
	trimBatch = 500
	// countInterval is after what time the records are counted again: others may
	// have written some.
	countInterval = time.Hour
	// countShare is by which share of what is kept this process may have written
	// more before it counts again.
	countShare = 16
	// lastKey is behind all keys of the audit.
	lastKey = "~"
)

// Trim drops what is older, and more, than is kept, until ctx ends. One process is
// to do so of those that share the index.
func (a *Audit) Trim(ctx context.Context) {
	var counted auditCount
	failing := false
	for {
		err := a.trim(ctx, &counted)
		if err != nil && !failing && ctx.Err() == nil {
			a.options.Log.Warn("old records of the audit can't be dropped", zap.Error(err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(trimInterval):
		}
	}
}

// auditCount is how many records there were when they were counted last.
type auditCount struct {
	at      time.Time
	entries int
	// written is what this process had written by then.
	written int64
	// bounds are those that were kept to.
	bounds AuditBounds
}

// trim drops once what is not kept.
func (a *Audit) trim(ctx context.Context, counted *auditCount) error {
	bounds, now := *a.bounds.Load(), a.options.Now()
	before := now.Add(-bounds.Keep).UTC().Format(auditTime)
	if bounds.Keep <= 0 {
		before = lastKey
	}
	dropped, err := a.drop(ctx, before, -1)
	counted.entries -= dropped
	if err != nil {
		return err
	}
	wrote := a.written.Load() - counted.written
	if counted.bounds == bounds && now.Sub(counted.at) < countInterval && counted.entries+int(wrote) <= bounds.Entries+bounds.Entries/countShare {
		return nil
	}
	*counted = auditCount{at: now, written: a.written.Load(), bounds: bounds}
	if counted.entries, err = a.count(ctx); err != nil {
		counted.at = time.Time{}
		return err
	}
	if excess := counted.entries - bounds.Entries; excess > 0 {
		dropped, err = a.drop(ctx, lastKey, excess)
		counted.entries -= dropped
	}
	return err
}

// drop drops the records before a key, at most so many of the first; -1 for all.
func (a *Audit) drop(ctx context.Context, before string, most int) (dropped int, err error) {
	for dropped != most {
		batch := trimBatch
		if most >= 0 {
			batch = min(batch, most-dropped)
		}
		n, err := a.options.Journal.TrimJournal(ctx, index.BookAudit, before, batch)
		dropped += n
		if err != nil || n < batch {
			return dropped, err
		}
	}
	return dropped, nil
}

// count counts all records.
func (a *Audit) count(ctx context.Context) (entries int, err error) {
	for after := ""; ; {
		page, err := a.options.Journal.ReadJournal(ctx, index.BookAudit, after, auditPage)
		if err != nil {
			return entries, err
		}
		entries += len(page)
		if len(page) < auditPage {
			return entries, nil
		}
		after = page[len(page)-1].Key
	}
}
