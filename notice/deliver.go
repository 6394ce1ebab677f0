package notice

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

const (
	// lookInterval is how often a hook looks for what has arrived.
	lookInterval = time.Second
	// arrivalsRead is how many arrivals are read at once.
	arrivalsRead = 100
	// Bounds of the time after which a message is tried again, which doubles from the
	// first to the last, give or take a half.
	minDelay = 2 * time.Second
	maxDelay = 15 * time.Minute
	// lastWords is how long what is being sent may take when the process ends: what was
	// answered then is not sent again.
	lastWords = 5 * time.Second
)

// delivery delivers the messages of one hook, one after the other, in their order.
type delivery struct {
	*Service
	hook Hook
	progress
	failing bool
	log     *zap.Logger
}

// deliver runs until ctx ends.
func (s *Service) deliver(ctx context.Context, hook Hook) {
	d := &delivery{Service: s, hook: hook, log: s.options.Log.With(zap.String("hook", hook.Name))}
	stuck := false
	for loaded := false; ; {
		var err error
		wait := lookInterval
		if !loaded {
			d.progress, _, err = readProgress(ctx, s.options.Store, hook.Name)
			loaded = err == nil
		}
		if err == nil {
			wait, err = d.pass(ctx)
		}
		if err != nil && ctx.Err() == nil {
			if !stuck {
				d.log.Warn("what is new can't be delivered, since the index can't be used; it is tried again", zap.Error(err))
			}
			// What the journal has is what counts.
			loaded = false
		}
		stuck = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// pass delivers what there is, until that is all or a message fails, and says when to
// look again. Its error is one of the index.
func (d *delivery) pass(ctx context.Context) (wait time.Duration, err error) {
	if d.Gone == d.hook.target() {
		// A test that succeeds, in whatever process, lets it go on.
		d.progress, _, err = readProgress(ctx, d.options.Store, d.hook.Name)
	}
	if d.Gone == d.hook.target() || err != nil {
		d.metrics.age.WithLabelValues(d.hook.Name).Set(0)
		return lookInterval, err
	}
	for ctx.Err() == nil {
		arrivals, err := d.options.Store.Arrivals(ctx, d.Through, arrivalsRead)
		if err != nil {
			return lookInterval, err
		}
		passed := d.Through
		for _, a := range arrivals {
			n := Of(a)
			if !d.hook.Filter.Matches(n) {
				passed = a.Number
				continue
			}
			d.metrics.age.WithLabelValues(d.hook.Name).Set(max(0, d.options.Now().Sub(n.Time).Seconds()))
			if wait, err := d.one(ctx, n); err != nil || wait > 0 {
				return max(wait, 0), err
			}
			passed = d.Through
		}
		if passed > d.Through {
			// None of them was for this hook.
			if err := d.advance(ctx, passed); err != nil {
				return lookInterval, err
			}
		}
		if len(arrivals) < arrivalsRead {
			d.metrics.age.WithLabelValues(d.hook.Name).Set(0)
			return lookInterval, nil
		}
	}
	return lookInterval, nil
}

// one sends a message, unless it is to wait still: then it returns for how long.
func (d *delivery) one(ctx context.Context, n Notice) (wait time.Duration, err error) {
	now := d.options.Now()
	overrun, aged := n.Number <= d.floor.Load(), now.Sub(n.Time) > d.hook.MaxAge
	if !overrun && !aged && now.Before(d.Next) {
		return min(d.Next.Sub(now), lookInterval), nil
	}
	body, err := messageOf(n, d.options.PublicURL)
	if err != nil {
		return 0, err
	}
	switch {
	case overrun:
		return 0, d.giveUp(ctx, n, body, "more notices wait than notices.entries lets be kept")
	case aged && d.failing:
		return 0, d.giveUp(ctx, n, body, "it is older than maxAge, and the message before it could not be delivered")
	}
	within, done := lasting(ctx, lastWords)
	defer done()
	sent := d.send(within, d.hook, n.ID(), body)
	if sent != nil && ctx.Err() != nil {
		// It may have been given up by us: whoever goes on tries it again.
		return lookInterval, nil
	}
	var failure *sendError
	if !errors.As(sent, &failure) {
		if d.failing {
			d.log.Info("messages are delivered again")
		}
		d.failing = false
		d.metrics.deliveries.WithLabelValues(d.hook.Name, resultDelivered).Inc()
		return 0, d.advance(within, n.Number)
	}
	return d.failed(ctx, n, body, failure)
}

// failed is what becomes of a message that was not delivered.
func (d *delivery) failed(ctx context.Context, n Notice, body []byte, failure *sendError) (wait time.Duration, err error) {
	d.metrics.deliveries.WithLabelValues(d.hook.Name, resultFailed).Inc()
	d.failing = true
	d.Attempts++
	now := d.options.Now()
	switch {
	case failure.gone:
		d.Gone, d.Attempts, d.Next = d.hook.target(), 0, time.Time{}
		d.log.Warn("the receiver wants no more messages (410): nothing is sent to it until its URL is another one, or backref notices test succeeds")
		return lookInterval, writeProgress(ctx, d.options.Store, d.hook.Name, d.progress)
	case d.hook.Attempts > 0 && d.Attempts >= d.hook.Attempts || now.Sub(n.Time) > d.hook.MaxAge:
		return 0, d.giveUp(ctx, n, body, failure.reason)
	}
	delay := max(delayOf(d.Attempts), failure.after)
	d.Next = now.Add(delay)
	d.log.Warn("a message could not be delivered; it is tried again", zap.String("message", n.ID()), zap.Int("attempts", d.Attempts),
		zap.Duration("restsForSeconds", delay), zap.String("error", failure.reason))
	if err := writeProgress(ctx, d.options.Store, d.hook.Name, d.progress); err != nil {
		return lookInterval, err
	}
	return min(delay, lookInterval), nil
}

// giveUp makes a message a dead letter, and goes on to the next.
func (d *delivery) giveUp(ctx context.Context, n Notice, body []byte, reason string) error {
	letter := DeadLetter{
		ID: deadID(n.Number, d.hook.Name), Message: n.ID(), Hook: d.hook.Name, Time: n.Time, Died: d.options.Now().UTC(),
		Repository: n.Repository, Digest: n.Digest, Attempts: d.Attempts, Reason: reason, Body: body,
	}
	if err := writeDead(ctx, d.options.Store, letter); err != nil {
		return err
	}
	d.metrics.deliveries.WithLabelValues(d.hook.Name, resultDead).Inc()
	d.metrics.dead.Inc()
	d.log.Error("a message was given up; backref notices dead lists it", zap.String("letter", letter.ID), zap.String("repository", n.Repository),
		zap.Stringer("digest", n.Digest), zap.Int("attempts", d.Attempts), zap.String("error", reason))
	return d.advance(ctx, n.Number)
}

// advance notes that a notice, and all before it, needs nothing any more.
func (d *delivery) advance(ctx context.Context, through uint64) error {
	next := progress{Through: through}
	if err := writeProgress(ctx, d.options.Store, d.hook.Name, next); err != nil {
		return err
	}
	d.progress = next
	return nil
}

// delayOf is after what time a message is tried again that has failed so often.
func delayOf(attempts int) time.Duration {
	growing := &backoff.ExponentialBackOff{InitialInterval: minDelay, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: maxDelay}
	growing.Reset()
	delay := growing.NextBackOff()
	// The longest is reached long before the bound.
	for range min(attempts, 32) - 1 {
		delay = growing.NextBackOff()
	}
	return delay
}

// lasting returns a context that ends some time after another.
func lasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-within.Done():
		case <-time.After(by):
			cancel()
		}
	})
	return within, func() {
		stop()
		cancel()
	}
}

// start has a hook that was never there begin with what arrives from now on.
func (s *Service) start(ctx context.Context, hook Hook) error {
	if _, found, err := readProgress(ctx, s.options.Store, hook.Name); err != nil || found {
		return err
	}
	var p progress
	latest, err := s.options.Store.Latest(ctx, "", 0, 1)
	if err != nil {
		return err
	}
	for _, a := range latest {
		p.Through = a.Number
	}
	return writeProgress(ctx, s.options.Store, hook.Name, p)
}

// waiting tells how far the slowest hook is that news are to be kept for; all is true
// where there is none.
func (s *Service) waiting(ctx context.Context, hooks []Hook) (through uint64, all bool, err error) {
	all = true
	for _, h := range hooks {
		p, found, err := readProgress(ctx, s.options.Store, h.Name)
		if err != nil {
			return 0, false, err
		}
		if !found || p.Gone == h.target() {
			continue
		}
		if all || p.Through < through {
			through, all = p.Through, false
		}
	}
	return through, all, nil
}

// Store is what of an index a [Service] uses.
type Store interface {
	index.News
	index.Journal
}
