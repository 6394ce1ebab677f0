package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backref/backref/index"
)

// Who begins runs, as the journal names them.
const (
	byDemand   = "demand"
	bySchedule = "schedule"
)

// The states of a run.
const (
	retentionRunning = "running"
	retentionDone    = "done"
	retentionFailed  = "failed"
	retentionStopped = "stopped"
)

// retentionEntry is a run, as [index.BookRetention] has it.
type retentionEntry struct {
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	By      string    `json:"by"`
	State   string    `json:"state"`
	// Position is the repository that the run has come to.
	Position string `json:"position,omitempty"`
	Going    int    `json:"going"`
	Removed  int    `json:"removed"`
	Failed   int    `json:"failed"`
	Error    string `json:"error,omitempty"`
}

const (
	// runKey is the form of the keys of runs, so that they come in the order of their
	// starts.
	runKey = "2006-01-02T15:04:05.000000000Z"
	// runsFor is for how long runs are kept.
	runsFor = 90 * 24 * time.Hour
	// progressEvery is how often the journal is told how far a run is.
	progressEvery = 5 * time.Second
)

// journalBegin notes that a run begins. A dry run has no entry.
func (r *retaining) journalBegin(ctx context.Context) error {
	if r.options.DryRun {
		return nil
	}
	if r.report.Run == "" {
		started := r.Source.now().UTC()
		r.report.Run = started.Format(runKey)
		r.entry = retentionEntry{Started: started, By: r.by}
	}
	r.entry.State = retentionRunning
	if err := r.endOrphans(ctx); err != nil {
		return err
	}
	if _, err := r.Store.TrimJournal(ctx, index.BookRetention, r.Source.now().Add(-runsFor).UTC().Format(runKey), notesPage); err != nil {
		return err
	}
	return r.journalWrite(ctx)
}

// journalProgress notes how far a run is, now and then.
func (r *retaining) journalProgress(ctx context.Context) error {
	if now := r.Source.now(); now.Sub(r.noted) >= progressEvery {
		r.noted = now
		return r.journalWrite(ctx)
	}
	return nil
}

// journalEnd notes what came of a run. One that ends with the process is left as it
// is, to be gone on with.
func (r *retaining) journalEnd(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	stopped := errors.Is(cause, ErrStopped) || errors.Is(err, ErrRulesChanged)
	if r.options.DryRun || ctx.Err() != nil && !stopped && r.by == bySchedule {
		return nil
	}
	r.entry.Ended, r.entry.State = r.Source.now().UTC(), retentionDone
	switch {
	case stopped, ctx.Err() != nil:
		r.entry.State = retentionStopped
	case err != nil, r.report.Failed > 0:
		r.entry.State = retentionFailed
	}
	if err != nil {
		r.entry.Error = fmt.Sprintf("%.1000s", err.Error())
	}
	// It is to be known also after a run was stopped.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), progressEvery)
	defer cancel()
	return r.journalWrite(within)
}

func (r *retaining) journalWrite(ctx context.Context) error {
	r.entry.Removed, r.entry.Failed = r.report.Removed, r.report.Failed
	value, err := json.Marshal(r.entry)
	if err != nil {
		return err
	}
	return r.Store.WriteJournal(ctx, index.BookRetention, index.JournalEntry{Key: r.report.Run, Value: value})
}

// endOrphans notes of the runs that a process was killed in, and that are not gone on
// with, that they have ended: no other run is under way.
func (r *retaining) endOrphans(ctx context.Context) error {
	return r.eachRun(ctx, func(key string, entry retentionEntry) error {
		if entry.State != retentionRunning || key == r.report.Run {
			return nil
		}
		entry.State, entry.Error = retentionFailed, "the process ended"
		value, err := json.Marshal(entry)
		if err != nil {
			return err
		}
		return r.Store.WriteJournal(ctx, index.BookRetention, index.JournalEntry{Key: key, Value: value})
	})
}

// lastScheduled returns the run that the schedule began last; its key is empty where
// there is none.
func (r *Retention) lastScheduled(ctx context.Context) (key string, last retentionEntry, err error) {
	err = r.eachRun(ctx, func(of string, entry retentionEntry) error {
		if entry.By == bySchedule {
			key, last = of, entry
		}
		return nil
	})
	return key, last, err
}

// eachRun goes through the runs that the journal has, in the order of their starts.
func (r *Retention) eachRun(ctx context.Context, each func(key string, entry retentionEntry) error) error {
	for after := ""; ; {
		page, err := r.Store.ReadJournal(ctx, index.BookRetention, after, notesPage)
		if err != nil {
			return err
		}
		for _, line := range page {
			after = line.Key
			var entry retentionEntry
			if err := json.Unmarshal(line.Value, &entry); err != nil {
				return fmt.Errorf("%w: run of retention %s: %w", index.ErrDamaged, line.Key, err)
			}
			if err := each(line.Key, entry); err != nil {
				return err
			}
		}
		if len(page) < notesPage {
			return nil
		}
	}
}
