package reconcile

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

const (
	// recordsPage is how many records are read from the store at once.
	recordsPage = 500
	// maxMissing is how many records wait for their second answer at once.
	maxMissing = 10_000
)

// presence is what the registry says of records that it may not have: each is
// asked for, and where it is not found asked for again when some time has
// passed. It may be used concurrently.
type presence struct {
	*Reconciler
	// asking bounds the questions at once where others ask too; nil where they are
	// bounded by the settings alone.
	asking chan struct{}
	// present and missing are told of each record, missed of those that the
	// registry gives no answer for. mark is from before the last answer.
	present func(ctx context.Context, mark index.Mark, record index.Record) error
	missing func(ctx context.Context, mark index.Mark, record index.Record) error
	missed  func(ctx context.Context, record index.Record, cause error) error

	mutex sync.Mutex
	// absent are the records that were not found once.
	absent []index.Record
}

// ask asks for records for the first time.
func (p *presence) ask(ctx context.Context, records []index.Record) error {
	err := p.each(ctx, records, func(_ context.Context, _ index.Mark, record index.Record) error {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.absent = append(p.absent, record)
		return nil
	})
	p.mutex.Lock()
	full := len(p.absent) >= maxMissing
	p.mutex.Unlock()
	if err == nil && full {
		return p.flush(ctx)
	}
	return err
}

// flush asks a second time for what was not found, when it is time.
func (p *presence) flush(ctx context.Context) error {
	p.mutex.Lock()
	again := p.absent
	p.absent = nil
	p.mutex.Unlock()
	if len(again) == 0 {
		return nil
	}
	if err := p.wait(ctx, p.source.now().Add(p.settings.MissingTwice)); err != nil {
		return err
	}
	return p.each(ctx, again, p.missing)
}

// each asks for records, several at once.
func (p *presence) each(ctx context.Context, records []index.Record,
	absent func(context.Context, index.Mark, index.Record) error,
) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(p.settings.Concurrency)
	for _, record := range records {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return p.one(within, record, absent) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// one asks for a record and tells who has to know.
func (p *presence) one(ctx context.Context, record index.Record,
	absent func(context.Context, index.Mark, index.Record) error,
) error {
	if p.asking != nil {
		select {
		case p.asking <- struct{}{}:
			defer func() { <-p.asking }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return err
	}
	switch present, err := p.source.has(ctx, record.Key()); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return p.missed(ctx, record, err)
	case present:
		return p.present(ctx, mark, record)
	default:
		return absent(ctx, mark, record)
	}
}
