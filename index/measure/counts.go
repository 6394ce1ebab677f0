package measure

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/index"
)

const (
	// countInterval is the least time between two counts of an index, and
	// countShare how many times as long as a count the store is left alone after it:
	// to count is to look at all that there is.
	countInterval = 15 * time.Minute
	countShare    = 200
	// countTimeout bounds a count.
	countTimeout = 5 * time.Minute
)

// Counts is a collector of how much an index holds, as it was counted last: it is
// asked beside the scrapes, see [Counts.Run]. Before the first count, it has none.
type Counts struct {
	store interface {
		Stats(context.Context) (index.Stats, error)
	}
	last    atomic.Pointer[index.Stats]
	counted []counted
}

// counted is one number of a count.
type counted struct {
	desc *prometheus.Desc
	of   func(*index.Stats) int64
}

// NewCounts returns a collector for a store.
func NewCounts(store interface {
	Stats(context.Context) (index.Stats, error)
}) *Counts {
	number := func(name, help string, of func(*index.Stats) int64) counted {
		return counted{prometheus.NewDesc("backref_index_"+name, help+" Counted every quarter of an hour, less often where that takes long.", nil, nil), of}
	}
	return &Counts{store: store, counted: []counted{
		number("repositories", "Repositories of which the index holds a record.", func(s *index.Stats) int64 { return s.Repositories }),
		number("records", "Records that the index holds.", func(s *index.Stats) int64 { return s.Records }),
		number("referrers", "Records that have a subject.", func(s *index.Stats) int64 { return s.Referrers }),
		number("unheld_referrers", "Referrers that the registry is known to hold by no hidden tag.", func(s *index.Stats) int64 { return s.Unheld }),
		number("edges", "Edges from one manifest to another digest.", func(s *index.Stats) int64 { return s.Edges }),
		number("rebuild_records", "Records of the generation that a rebuild makes beside the live one, 0 where there is none.",
			func(s *index.Stats) int64 { return max(0, s.Rebuilding) }),
	}}
}

// Run counts until ctx ends.
func (c *Counts) Run(ctx context.Context) {
	for ctx.Err() == nil {
		start := time.Now()
		c.count(ctx)
		rest := time.NewTimer(max(countInterval, countShare*time.Since(start)))
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
		rest.Stop()
	}
}

// count counts once. That it failed is counted as of any call of the store.
func (c *Counts) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	if stats, err := c.store.Stats(ctx); err == nil {
		c.last.Store(&stats)
	}
}

// Describe implements [prometheus.Collector].
func (c *Counts) Describe(to chan<- *prometheus.Desc) {
	for _, number := range c.counted {
		to <- number.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *Counts) Collect(to chan<- prometheus.Metric) {
	last := c.last.Load()
	if last == nil {
		return
	}
	for _, number := range c.counted {
		to <- prometheus.MustNewConstMetric(number.desc, prometheus.GaugeValue, float64(number.of(last)))
	}
}
