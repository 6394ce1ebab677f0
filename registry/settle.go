package registry

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

// finding is what the upstream said of an open intent.
type finding struct {
	intent  index.Intent
	finding index.Finding
}

// askForIntents asks the upstream, as the caller, what became of the pushes
// and deletes of the subject's referrers whose outcome is open. The client has
// to be permitted: from others the upstream may hide what it has.
func (r *Registry) askForIntents(ctx context.Context, caller *Caller, open []index.Intent) ([]finding, error) {
	if len(open) == 0 {
		return nil, nil
	}
	within, span := r.spans.Begin(ctx, "ask for intents")
	findings, err := r.askForEach(within, caller, open)
	span.End(err)
	return findings, err
}

func (r *Registry) askForEach(ctx context.Context, caller *Caller, open []index.Intent) ([]finding, error) {
	mark, err := r.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	var mutex sync.Mutex
	var findings []finding
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for _, intent := range open {
		asked := r.now()
		if intent.Kind == index.IntentImport || intent.Recorded && !intent.Contended && asked.Before(intent.Deadline) {
			continue
		}
		group.Go(func() error {
			asked := r.now()
			present, err := r.upstream.Has(ctx, caller.as, caller.repository, intent.Record.Digest)
			if err != nil {
				return err
			}
			mutex.Lock()
			defer mutex.Unlock()
			findings = append(findings, finding{intent, index.Finding{Mark: mark, At: asked, Present: present}})
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return findings, nil
}

// settle applies findings.
func (r *Registry) settle(ctx context.Context, findings []finding) (err error) {
	if len(findings) == 0 {
		return nil
	}
	ctx, span := r.spans.Begin(ctx, "settle intents")
	defer func() { span.End(err) }()
	for _, f := range findings {
		if err := r.store.Settle(ctx, f.intent.ID, f.finding); err != nil {
			return err
		}
	}
	return nil
}

// withoutUnderway leaves out the intents that this process is serving: their
// clients have no answer yet, so the listing is right with and without them.
func (r *Registry) withoutUnderway(open []index.Intent) []index.Intent {
	left := open[:0]
	for _, intent := range open {
		if _, underway := r.underway.Load(intent.ID); !underway {
			left = append(left, intent)
		}
	}
	return left
}
