package reconcile

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/upstream"
)

// lookAgain is the most time between two looks at a registry that can't be used,
// so that its return is soon noticed.
const lookAgain = 5 * time.Second

// Watched is the registry as a [Lookout] looks at it.
type Watched interface {
	// Check is that of [upstream.Registry].
	Check(ctx context.Context) *upstream.Fault
}

// Seen is what a [Lookout] found.
type Seen struct {
	// Fault is what is wrong; nil where all is well, or nothing is known yet.
	Fault *upstream.Fault
	// Since is when it was first found so; zero before the first look.
	Since time.Time
}

// Lookout looks at the registry from time to time, and tells the operator when it
// can't be used, and when it can again. Each process has its own: what one reaches
// another may not. It may be used concurrently.
type Lookout struct {
	watched  Watched
	log      *zap.Logger
	interval time.Duration
	now      func() time.Time
	up       prometheus.Gauge
	checks   *prometheus.CounterVec
	// usable is told when the registry can be used, for the first time or again; nil
	// for nobody.
	usable func()

	mutex sync.Mutex
	seen  Seen
}

// NewLookout returns a lookout that looks every interval; 0 has it look until all is
// well once. Its metrics are registered with metrics unless that is nil.
func NewLookout(watched Watched, interval time.Duration, log *zap.Logger, metrics *prometheus.Registry) *Lookout {
	l := &Lookout{
		watched: watched, log: log, interval: interval, now: time.Now,
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_upstream_up", Help: "Whether the registry could be used at the last look: 1 or 0; 0 before the first.",
		}),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_upstream_checks_total", Help: "Looks at the registry, by result: well, or what is wrong.",
		}, []string{"result"}),
	}
	// Shown before they first count, so that the first is an increase.
	for _, reason := range upstream.Reasons() {
		l.checks.WithLabelValues(string(reason))
	}
	l.checks.WithLabelValues(resultWell)
	if metrics != nil {
		metrics.MustRegister(l.up, l.checks)
	}
	return l
}

// TellUsable has a function called when the registry can be used, for the first time
// or again. It is to be called before [Lookout.Run]; the function must not wait.
func (l *Lookout) TellUsable(usable func()) { l.usable = usable }

// resultWell is the result of a look that found nothing wrong.
const resultWell = "well"

// Seen returns what the last look found.
func (l *Lookout) Seen() Seen {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.seen
}

// Run looks at once, and then from time to time until ctx ends; without an interval
// until a look finds nothing wrong.
func (l *Lookout) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pause, wrong := l.interval, l.look(ctx) != nil
		switch {
		case wrong && (pause == 0 || pause > lookAgain):
			pause = lookAgain
		case pause == 0:
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// look asks once, and says what has changed.
func (l *Lookout) look(ctx context.Context) *upstream.Fault {
	fault := l.watched.Check(ctx)
	if ctx.Err() != nil {
		return nil
	}
	l.mutex.Lock()
	before := l.seen
	first := before.Since.IsZero()
	if first || reasonOf(before.Fault) != reasonOf(fault) {
		l.seen.Since = l.now()
	}
	l.seen.Fault = fault
	l.mutex.Unlock()

	l.checks.WithLabelValues(reasonOf(fault)).Inc()
	if fault == nil && (first || before.Fault != nil) && l.usable != nil {
		l.usable()
	}
	switch {
	case fault != nil && (first || reasonOf(before.Fault) != reasonOf(fault)):
		l.log.Warn("the upstream registry can't be used", zap.String("reason", string(fault.Reason)),
			zap.String("mend", fault.Mend()), zap.NamedError("error", fault.Unwrap()))
	case fault == nil && first:
		l.log.Info("the upstream registry can be used")
	case fault == nil && before.Fault != nil:
		l.log.Info("the upstream registry can be used again", zap.String("reason", string(before.Fault.Reason)),
			zap.Duration("downSeconds", l.now().Sub(before.Since)))
	}
	up := 1.0
	if fault != nil {
		up = 0
	}
	l.up.Set(up)
	return fault
}

func reasonOf(fault *upstream.Fault) string {
	if fault == nil {
		return resultWell
	}
	return string(fault.Reason)
}
