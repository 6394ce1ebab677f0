package registry

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// begun is an intent whose request this process is serving.
type begun struct {
	registry *Registry
	ctx      context.Context //nolint:containedctx // The request's, which the intent is one of.
	id       index.IntentID
	of       index.Intent
}

// begin makes an intent durable. Whoever begins it has to leave it.
func (r *Registry) begin(ctx context.Context, intent index.Intent) (*begun, error) {
	intent.Deadline = r.now().Add(r.options.RequestTime)
	within, span := r.spans.Begin(ctx, "begin intent")
	id, err := r.store.Begin(within, intent)
	span.End(err)
	if err != nil {
		return nil, err
	}
	r.underway.Store(id, struct{}{})
	return &begun{registry: r, ctx: ctx, id: id, of: intent}, nil
}

// leave lets readers settle the intent where it is still open. It has to come
// before the client is answered, and may come again.
func (b *begun) leave() {
	b.registry.underway.Delete(b.id)
}

// end settles the intent by the upstream's answer.
func (b *begun) end(resp *http.Response) {
	switch {
	case accepted(resp):
		b.confirm()
	case refused(resp):
		b.cancel()
	default:
		b.unknown()
	}
}

// maxBehind is the size of the largest manifest that is recorded behind its
// push: the store needs memory of its size for that, and limits.manifestMemory
// counts only what requests hold.
const maxBehind = 64 << 10

// confirm says that the upstream carried the request out. Where that can't be
// written the intent stays, and the next reader asks the upstream. The client
// of a push need not wait for it, unless its manifest is large or takes the place
// of others, which are deleted next.
func (b *begun) confirm() {
	b.count("carried out")
	at := b.registry.now()
	ctx, span := b.registry.spans.Begin(context.WithoutCancel(b.ctx), "confirm intent")
	if b.of.Kind != index.IntentPush || b.of.Record.Size > maxBehind || len(b.of.Replaces) > 0 {
		err := b.registry.store.Confirm(ctx, b.id, at)
		span.End(err)
		b.check(err)
		b.leave()
		return
	}
	r, record := b.registry, b.of.Record
	r.store.confirmBehind(ctx, record.Repository, b.id, at, func(err error) {
		span.End(err)
		if err != nil {
			r.log.Error("push is not recorded yet", requestField(ctx),
				zap.String("repository", record.Repository), zap.Stringer("digest", record.Digest), zap.Error(err))
		}
	})
	// From now on it is for readers, who wait, to settle what was not written.
	b.leave()
}

// cancel says that the upstream did not carry the request out.
func (b *begun) cancel() {
	b.count("refused")
	ctx, span := b.registry.spans.Begin(context.WithoutCancel(b.ctx), "cancel intent")
	err := b.registry.store.Cancel(ctx, b.id)
	span.End(err)
	b.check(err)
	b.leave()
}

// unknown leaves the intent to whoever can ask the upstream.
func (b *begun) unknown() {
	b.count("unknown")
	b.leave()
}

func (b *begun) count(outcome string) {
	b.registry.metrics.outcomes.WithLabelValues(b.of.Kind.String(), outcome).Inc()
}

func (b *begun) check(err error) {
	if err != nil {
		Note(b.ctx, zap.NamedError("index", err))
	}
}
