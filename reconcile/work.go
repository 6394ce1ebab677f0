package reconcile

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/registry"
)

// work is a piece of work that takes its time: the log says when it begins and
// ends, and what came of it.
type work struct {
	log   *zap.Logger
	name  string
	now   func() time.Time
	start time.Time
	span  registry.Span
	begun sync.Once
}

// newWork returns a piece of work that has not begun.
func newWork(name string, log *zap.Logger, now func() time.Time) *work {
	return &work{log: log, name: name, now: now, start: now()}
}

// beginWork begins one of those that an operator asks for; what it does is traced
// by the context that is returned.
func (r *Reconciler) beginWork(ctx context.Context, name string, fields ...zap.Field) (context.Context, *work) {
	ctx, span := r.spans.BeginWork(ctx, name)
	w := newWork(name, r.log.With(registry.TraceField(ctx)), r.source.now)
	w.span = span
	w.begin(fields...)
	return ctx, w
}

// begin says that the work begins, the first time that it is called. It may be
// called concurrently.
func (w *work) begin(fields ...zap.Field) {
	w.begun.Do(func() { w.log.Info(w.name+" begins", fields...) })
}

// end says what came of the work, unless it never began. One that was told to
// stop, as by a client that goes away, has not failed.
func (w *work) end(ctx context.Context, err error, fields ...zap.Field) {
	w.span.End(err)
	idle := false
	w.begun.Do(func() { idle = true })
	if idle {
		return
	}
	fields = append(fields, zap.Duration("durationSeconds", w.took()))
	switch {
	case err == nil:
		w.log.Info(w.name+" ended", fields...)
	case ctx.Err() != nil:
		w.log.Info(w.name+" was broken off", fields...)
	default:
		w.log.Error(w.name+" failed", append(fields, zap.Error(err))...)
	}
}

// took returns how long the work has taken so far.
func (w *work) took() time.Duration { return w.now().Sub(w.start) }

// optionFields say what a piece of work is about.
func optionFields(o Options) []zap.Field {
	fields := []zap.Field{zap.Strings("repositories", o.Repositories)}
	if len(o.Repositories) == 0 {
		fields = nil
	}
	if o.Storage != "" {
		fields = append(fields, zap.String("storage", o.Storage))
	}
	return fields
}

// fields are the numbers of a report as the log has them. What could not be read
// is in the report alone: it may be long.
func (r Report) fields() []zap.Field {
	return []zap.Field{
		zap.Int("repositories", r.Repositories), zap.Int("found", r.Found), zap.Int("added", r.Added), zap.Int("kept", r.Kept),
		zap.Int("dropped", r.Dropped), zap.Int("failed", r.Failed), zap.Bool("resumed", r.Resumed), zap.Bool("swapped", r.Swapped),
	}
}
