package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// AuditBounds bound what is kept of the audit.
type AuditBounds struct {
	// Keep is for how long records are kept; 0 keeps none.
	Keep time.Duration
	// Entries is the most records that are kept, about.
	Entries int
}

// AuditOptions are what an [Audit] is made of. All are required but Metrics and
// Now.
type AuditOptions struct {
	Journal index.Journal
	Log     *zap.Logger
	Bounds  AuditBounds
	// Metrics is where the audit registers its own; nil for nowhere.
	Metrics prometheus.Registerer
	// Now tells the time; nil for the system's clock.
	Now func() time.Time
}

// Audit keeps records of denials and deletions: in the log at once, and in the
// index a little later, for a bounded time and number. To record never waits, and
// never fails: what the index can't take in time is counted, and stands in the log.
// Denials that differ in time and request alone are one record a minute.
// It may be used concurrently.
type Audit struct {
	options AuditOptions
	bounds  atomic.Pointer[AuditBounds]
	// process is the name of this process in keys, and number is that of the last
	// record.
	process string
	number  atomic.Uint64
	queue   chan AuditRecord
	metrics auditMetrics
	// written counts the records that this process has written.
	written atomic.Int64

	// writing is held by who writes; what follows belongs to that.
	writing sync.Mutex
	repeats repeats
	// failing says that the last write failed.
	failing bool
	// unwritten are records that wait for the index to be written to again.
	unwritten []index.JournalEntry
}

const (
	// auditQueue is how many records may wait to be written.
	auditQueue = 1024
	// auditBatch is how many are written in one transaction, at most.
	auditBatch = 256
	// auditRetry is after what time a write is tried again that failed.
	auditRetry = time.Second
	// auditEnd bounds how long the end may take to write what is left.
	auditEnd = 5 * time.Second
	// repeatInterval is for how long denials that repeat are one record.
	repeatInterval = time.Minute
	// processName is how many letters a process has for its name.
	processName = 10
)

// NewAudit returns an audit. Nothing is written before [Audit.Run].
func NewAudit(o AuditOptions) *Audit {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Audit{
		options: o, process: strings.ToLower(rand.Text()[:processName]), queue: make(chan AuditRecord, auditQueue),
		metrics: newAuditMetrics(o.Metrics), repeats: newRepeats(),
	}
	a.SetBounds(o.Bounds)
	return a
}

// SetBounds has other bounds count from now on.
func (a *Audit) SetBounds(b AuditBounds) { a.bounds.Store(&b) }

// Record records an event; who asked is told by the context.
func (a *Audit) Record(ctx context.Context, event registry.AuditEvent) {
	asker := registry.AskerOf(ctx)
	record := AuditRecord{
		Time: a.options.Now().UTC(), Outcome: event.Outcome, Action: event.Action,
		Repository: event.Repository, Tag: event.Tag, Digest: event.Digest, Rule: event.Rule, Reason: cutText(event.Reason, maxReason),
		User: asker.User, UserClaimed: asker.Claimed, Client: asker.Client, UserAgent: asker.UserAgent, Listener: asker.Listener,
		Request: registry.RequestID(ctx),
	}
	a.metrics.records.WithLabelValues(record.Outcome).Inc()
	a.options.Log.Info("audit", zap.Inline(&record))
	if a.bounds.Load().Keep <= 0 {
		return
	}
	select {
	case a.queue <- record:
	default:
		a.metrics.dropped.Inc()
	}
}

// Run writes what is recorded, until ctx ends.
func (a *Audit) Run(ctx context.Context) {
	ticker := time.NewTicker(repeatInterval)
	defer ticker.Stop()
	var again <-chan time.Time
	for {
		// What can't be written leaves its successors in the queue.
		queue := a.queue
		if again != nil {
			queue = nil
		}
		var written bool
		select {
		case <-ctx.Done():
			return
		case record := <-queue:
			written = a.write(ctx, &record)
		case <-again:
			written = a.write(ctx, nil)
		case <-ticker.C:
			written = a.endRepeats(ctx)
		}
		if again = nil; !written {
			again = time.After(auditRetry)
		}
	}
}

// wait writes what was recorded before, denials that repeat too, as far as the
// index takes it until ctx ends.
func (a *Audit) wait(ctx context.Context) {
	for len(a.queue) > 0 && a.write(ctx, nil) {
		continue
	}
	a.endRepeats(ctx)
}

// Close writes what is left. It is to be called when nothing is recorded any more,
// after Run and before the index is closed. What the index can't take then is
// counted.
func (a *Audit) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), auditEnd)
	defer cancel()
	a.wait(ctx)
	a.metrics.dropped.Add(float64(len(a.queue) + len(a.unwritten)))
}

// endRepeats writes which denials were repeated.
func (a *Audit) endRepeats(ctx context.Context) (written bool) {
	a.writing.Lock()
	defer a.writing.Unlock()
	return a.put(ctx, a.repeats.end())
}

// write writes a record, if there is one, and those that wait in the queue.
func (a *Audit) write(ctx context.Context, first *AuditRecord) (written bool) {
	a.writing.Lock()
	defer a.writing.Unlock()
	return a.put(ctx, a.gather(first))
}

// gather takes what waits, as far as it goes into one transaction, and leaves out
// what only repeats.
func (a *Audit) gather(first *AuditRecord) []AuditRecord {
	var batch []AuditRecord
	add := func(record AuditRecord) {
		if !a.repeats.repeated(record) {
			batch = append(batch, record)
		}
	}
	if first != nil {
		add(*first)
	}
	for len(batch)+len(a.unwritten) < auditBatch {
		select {
		case record := <-a.queue:
			add(record)
		default:
			return batch
		}
	}
	return batch
}

// put writes records, after those that could not be written before, in one
// transaction. It is false where the index can't be written.
func (a *Audit) put(ctx context.Context, records []AuditRecord) (written bool) {
	for _, record := range records {
		value, err := json.Marshal(record)
		if err != nil || len(value) > index.MaxJournalValue {
			a.metrics.dropped.Inc()
			continue
		}
		key := auditKey(record.Time, a.process, a.number.Add(1))
		a.unwritten = append(a.unwritten, index.JournalEntry{Key: key, Value: value})
	}
	if len(a.unwritten) == 0 {
		return true
	}
	if err := a.options.Journal.WriteJournal(ctx, index.BookAudit, a.unwritten...); err != nil {
		if !a.failing {
			a.failing = true
			a.options.Log.Warn("the audit can't be written to the index; it stands in the log, and what waits is written later", zap.Error(err))
		}
		return false
	}
	a.written.Add(int64(len(a.unwritten)))
	a.failing, a.unwritten = false, nil
	return true
}
