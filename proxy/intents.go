package proxy

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// begun is an intent whose request this process is serving.
type begun struct {
	proxy *Proxy
	r     *http.Request
	id    index.IntentID
	of    index.Intent
}

// begin makes an intent durable. The caller has to leave it.
func (p *Proxy) begin(r *http.Request, intent index.Intent) (*begun, error) {
	intent.Deadline = p.now().Add(p.requestTime())
	id, err := p.store.Begin(r.Context(), intent)
	if err != nil {
		return nil, err
	}
	p.underway.Store(id, struct{}{})
	return &begun{proxy: p, r: r, id: id, of: intent}, nil
}

// requestTime is how long a request may take effect upstream after it was begun.
func (p *Proxy) requestTime() time.Duration {
	timeouts := p.config.Upstream.Timeouts
	return timeouts.Connect + timeouts.ResponseHeader + timeouts.Grace
}

// leave lets readers settle the intent where it is still open. It has to come
// before the client is answered, and may come again.
func (b *begun) leave() {
	b.proxy.underway.Delete(b.id)
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
// of a push need not wait for it, unless its manifest is large.
func (b *begun) confirm() {
	b.count("carried out")
	ctx, at := detached(b.r), b.proxy.now()
	if b.of.Kind != index.IntentPush || b.of.Record.Size > maxBehind {
		b.check(b.proxy.store.Confirm(ctx, b.id, at))
		b.leave()
		return
	}
	p, record, request := b.proxy, b.of.Record, requestID(b.r)
	p.store.confirmBehind(ctx, record.Repository, b.id, at, func(err error) {
		p.log.Error("push is not recorded yet", zap.String("request", request),
			zap.String("repository", record.Repository), zap.Stringer("digest", record.Digest), zap.Error(err))
	})
	// From now on it is for readers, who wait, to settle what was not written.
	b.leave()
}

// cancel says that the upstream did not carry the request out.
func (b *begun) cancel() {
	b.count("refused")
	b.check(b.proxy.store.Cancel(detached(b.r), b.id))
	b.leave()
}

// unknown leaves the intent to whoever can ask the upstream.
func (b *begun) unknown() {
	b.count("unknown")
	b.leave()
}

func (b *begun) count(outcome string) {
	b.proxy.metrics.outcomes.WithLabelValues(b.of.Kind.String(), outcome).Inc()
}

func (b *begun) check(err error) {
	if err != nil {
		note(b.r, zap.NamedError("index", err))
	}
}
