package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

// Errors of a run of retention, beside [ErrIncomplete].
var (
	// ErrRetaining means that another run is under way.
	ErrRetaining = errors.New("a run of retention is under way already")
	// ErrNoRules means that there is nothing to go by.
	ErrNoRules = errors.New("there are no rules: retention.rules is empty")
	// ErrNoService means that backref has nothing to sign in to the registry with.
	ErrNoService = errors.New("upstream.service: is needed, to read and delete in the registry with")
	// ErrTooMany means that the rules remove more than a run may.
	ErrTooMany = errors.New("the rules remove more referrers than a run may delete (retention.maxPerRun)")
	// ErrStopped means that a run was told to stop.
	ErrStopped = errors.New("the run was stopped")
	// ErrRulesChanged means that the rules are no longer those that a run began with.
	ErrRulesChanged = errors.New("the rules have changed; the run was stopped")
)

// RetentionStore is the index as a [Retention] works on it. Where it is an
// [index.Sharer] too, one process at a time runs.
type RetentionStore = index.Maintainer

// RetentionSettings are what may change while a [Retention] runs.
type RetentionSettings struct {
	Rules *policy.Retention
	// Interval is how often the rules are carried out by themselves; 0 for never.
	Interval time.Duration
	// Rate is the most deletes a second, and MaxPerRun the most of a run.
	Rate, MaxPerRun int
}

// RetentionOptions are what a [Retention] is made of. All are required but Locked,
// Forget, Audit, Hold and Metrics.
type RetentionOptions struct {
	Store  RetentionStore
	Source *Source
	// Settings returns those of the moment.
	Settings func() RetentionSettings
	// Concurrency is the most questions at once, and MissingTwice the least time
	// between the two answers "not found" after which a subject counts as gone.
	Concurrency  int
	MissingTwice time.Duration
	// RequestTime, Forget, Audit and Hold are those of a [registry.Removal].
	RequestTime time.Duration
	Forget      func(repository string, manifest digest.Digest)
	Audit       func(ctx context.Context, event registry.AuditEvent)
	Hold        func(ctx context.Context, repository string, manifest digest.Digest) (release func(), err error)
	// Locked tells by which rule a tag is locked; nil where none is.
	Locked  func(repository, tag string) policy.Decision
	Log     *zap.Logger
	Metrics *prometheus.Registry
}

// RetainOptions say what a run does.
type RetainOptions struct {
	// Repositories are patterns as [oci.Glob] reads them; none means all.
	Repositories []string `json:"repositories,omitempty"`
	// Rule is the only one that removes anything; empty for all.
	Rule string `json:"rule,omitempty"`
	// DryRun only tells what is decided. Yes lets the run delete more than
	// retention.maxPerRun.
	DryRun bool `json:"dryRun,omitempty"`
	Yes    bool `json:"yes,omitempty"`
}

// Check reports what is wrong with options, before anything is done by them.
func (o RetainOptions) Check() error { return Options{Repositories: o.Repositories}.Check() }

// Retention carries out the rules of which referrers stay: see [policy.Retention]. It
// may be used concurrently; one run is under way at a time.
//
// It reads the index repository by repository, and holds what it needs of one at a
// time. In those in which rules remove something it asks the registry for tags, for
// the subjects of rules that want to know, and for what is kept in the place of what
// goes; where any of that can't be read nothing goes. Before it deletes anything it
// counts what goes in all repositories.
type Retention struct {
	RetentionOptions
	removal registry.Removal
	deletes *rate.Limiter
	metrics *retentionMetrics

	running sync.Mutex
	mutex   sync.Mutex
	// stop ends the run that is under way; nil where none is.
	stop context.CancelCauseFunc
}

// NewRetention returns what carries out the rules.
func NewRetention(o RetentionOptions) *Retention {
	r := &Retention{RetentionOptions: o, deletes: rate.NewLimiter(1, 1), metrics: newRetentionMetrics(o.Metrics)}
	r.removal = registry.Removal{
		Reader: o.Source.once, Store: o.Store, RequestTime: o.RequestTime, Now: o.Source.now, Forget: o.Forget, Audit: o.Audit, Hold: o.Hold,
	}
	return r
}

// Stop has the run that is under way end, and tells whether there was one. What is
// being deleted is carried to its end.
func (r *Retention) Stop() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.stop == nil {
		return false
	}
	r.stop(ErrStopped)
	return true
}

// Retain carries out the rules once. each is told of every decision, from one
// goroutine at a time: in a dry run as it is made, else when it was carried out.
//
// The error matches [ErrIncomplete] where repositories could not be read, or
// referrers not be deleted; they are left as they were. It matches [ErrTooMany]
// before anything was deleted, unless more came to go meanwhile. Other errors are
// [ErrRetaining], [ErrNoRules], [ErrNoService], [ErrStopped], [ErrRulesChanged],
// [registry.ErrNoDeletes], or those of the index.
func (r *Retention) Retain(ctx context.Context, options RetainOptions, each func(Retained)) (RetentionReport, error) {
	if err := options.Check(); err != nil {
		return RetentionReport{}, err
	}
	rules, err := r.rulesOf(options)
	if err != nil {
		return RetentionReport{}, err
	}
	ctx, end, err := r.begin(ctx)
	if err != nil {
		return RetentionReport{}, err
	}
	defer end()
	run := &retaining{Retention: r, options: options, rules: rules, began: r.Settings().Rules, each: each, by: byDemand}
	return r.run(ctx, run)
}

// rulesOf returns the rules that a run goes by.
func (r *Retention) rulesOf(options RetainOptions) (*policy.Retention, error) {
	rules := r.Settings().Rules
	if len(rules.Names()) == 0 {
		return nil, ErrNoRules
	}
	if _, configured := r.Source.Upstream.Service(); !configured {
		return nil, ErrNoService
	}
	if options.Rule == "" {
		return rules, nil
	}
	only := rules.Only(options.Rule)
	if only == nil {
		return nil, fmt.Errorf("there is no rule %q in retention.rules, only %q", options.Rule, rules.Names())
	}
	return only, nil
}

// begin lets one run at a time be under way, in this process and in all that share
// the store.
func (r *Retention) begin(ctx context.Context) (within context.Context, end func(), err error) {
	if !r.running.TryLock() {
		return nil, nil, ErrRetaining
	}
	release := context.CancelFunc(func() {})
	if sharer, shared := r.Store.(index.Sharer); shared {
		ctx, release, err = sharer.Hold(ctx, index.RoleRetention)
		if err != nil {
			r.running.Unlock()
			if errors.Is(err, index.ErrInUse) {
				err = fmt.Errorf("%w, in another process", ErrRetaining)
			}
			return nil, nil, err
		}
	}
	within, stop := context.WithCancelCause(ctx)
	r.setStop(stop)
	return within, func() {
		r.setStop(nil)
		stop(nil)
		release()
		r.running.Unlock()
	}, nil
}

func (r *Retention) setStop(stop context.CancelCauseFunc) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.stop = stop
}

// run does what a run does, and says what came of it.
func (r *Retention) run(ctx context.Context, run *retaining) (RetentionReport, error) {
	work := newWork("retention", r.Log, r.Source.now)
	work.begin(zap.String("by", run.by), zap.Strings("repositories", run.options.Repositories), zap.Bool("dryRun", run.options.DryRun))
	r.metrics.begin()
	err := run.all(registry.Quiet(ctx))
	if cause := context.Cause(ctx); err != nil && cause != nil && ctx.Err() != nil {
		err = cause
	}
	if err == nil && run.report.Failed > 0 {
		err = ErrIncomplete
	}
	run.report.Seconds = work.took().Seconds()
	r.metrics.end(run, err)
	work.end(ctx, err, run.report.fields()...)
	return run.report, err
}
