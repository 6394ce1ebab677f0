package measure

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/index"
)

const (
	// backlogFor is for how long what was found counts, however often it is asked
	// for, and backlogTimeout bounds the reading.
	backlogFor     = 10 * time.Second
	backlogTimeout = 5 * time.Second
	// backlogPage and maxBacklog are how many entries are read at once, and counted
	// at most.
	backlogPage = 500
	maxBacklog  = 10_000
)

// Backlog is what a backlog is read of.
type Backlog interface {
	Intents(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error)
	Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error)
	Changed(ctx context.Context, after uint64, limit int) ([]index.Change, error)
	// Size is that of [index.Sizer].
	Size(ctx context.Context) (int64, error)
}

// backlog is a collector of what waits in an index, and of its size. It reads when
// it is asked, not too often.
type backlog struct {
	store                                 Backlog
	now                                   func() time.Time
	open, overdue, listings, oldest, size *prometheus.Desc
	removals, decided                     *prometheus.Desc

	mutex sync.Mutex
	until time.Time
	found []prometheus.Metric
	ages  ages
}

// NewBacklog returns a collector of the intents and removals that are open, of the
// outbox and of the size of the store. What can't be read is left out.
func NewBacklog(store Backlog, now func() time.Time) prometheus.Collector {
	return &backlog{
		store: store, now: now,
		open: prometheus.NewDesc("backref_intents_open",
			"Pushes, deletes and imports that are under way or of unknown outcome; 10000 stands for as many or more.", nil, nil),
		overdue: prometheus.NewDesc("backref_intents_oldest_overdue_seconds",
			"How long the request has been over, at the latest, of the open intent that has waited longest since; 0 where none does.", nil, nil),
		listings: prometheus.NewDesc("backref_outbox_listings",
			"Listings that changed since the mirror wrote their referrers tags; 10000 stands for as many or more.", nil, nil),
		oldest: prometheus.NewDesc("backref_outbox_oldest_age_seconds",
			"How long the listing that has waited longest was seen to wait for its referrers tag by this process; 0 where none does.", nil, nil),
		size: prometheus.NewDesc("backref_index_size_bytes", "Size of the index on its medium.", nil, nil),
		removals: prometheus.NewDesc("backref_removals_open",
			"Manifests that are listed no more and still to be deleted in the registry; 10000 stands for as many or more.", nil, nil),
		decided: prometheus.NewDesc("backref_removals_oldest_age_seconds",
			"How long ago the removal was decided that has waited longest; 0 where none does.", nil, nil),
	}
}

// Describe implements [prometheus.Collector].
func (b *backlog) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{b.open, b.overdue, b.listings, b.oldest, b.size, b.removals, b.decided} {
		to <- desc
	}
}

// Collect implements [prometheus.Collector].
func (b *backlog) Collect(to chan<- prometheus.Metric) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if now := b.now(); !now.Before(b.until) {
		ctx, cancel := context.WithTimeout(context.Background(), backlogTimeout)
		defer cancel()
		b.found = b.read(ctx, now)
		b.until = b.now().Add(backlogFor)
	}
	for _, metric := range b.found {
		to <- metric
	}
}

func (b *backlog) read(ctx context.Context, now time.Time) (found []prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64) {
		found = append(found, prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value))
	}
	if open, overdue, err := readIntents(ctx, now, b.store.Intents); err == nil {
		gauge(b.open, float64(open))
		gauge(b.overdue, overdue.Seconds())
	}
	removals := func(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
		return b.store.Removals(ctx, "", after, limit)
	}
	if open, age, err := readIntents(ctx, now, removals); err == nil {
		gauge(b.removals, float64(open))
		gauge(b.decided, age.Seconds())
	}
	if listings, age, err := b.readOutbox(ctx, now); err == nil {
		gauge(b.listings, float64(listings))
		gauge(b.oldest, age.Seconds())
	}
	if size, err := b.store.Size(ctx); err == nil {
		gauge(b.size, float64(size))
	}
	return found
}

// readIntents returns how many intents are open, and for how long the deadline of
// one has been over at most.
func readIntents(ctx context.Context, now time.Time, list func(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error)) (open int, overdue time.Duration, err error) {
	for after := index.IntentID(0); open < maxBacklog; {
		intents, err := list(ctx, after, backlogPage)
		if err != nil {
			return 0, 0, err
		}
		open += len(intents)
		for _, intent := range intents {
			after = intent.ID
			overdue = max(overdue, now.Sub(intent.Deadline))
		}
		if len(intents) < backlogPage {
			break
		}
	}
	return open, overdue, nil
}

// readOutbox returns how many listings wait, and for how long one was seen to.
func (b *backlog) readOutbox(ctx context.Context, now time.Time) (listings int, age time.Duration, err error) {
	first, last := uint64(0), uint64(0)
	for listings < maxBacklog {
		changes, err := b.store.Changed(ctx, last, backlogPage)
		if err != nil {
			return 0, 0, err
		}
		listings += len(changes)
		for _, change := range changes {
			if last = change.Number; first == 0 {
				first = last
			}
		}
		if len(changes) < backlogPage {
			break
		}
	}
	if listings == 0 {
		b.ages = nil
		return 0, 0, nil
	}
	return listings, b.ages.see(first, last, now), nil
}

// maxSights bounds what is remembered of the numbers that were seen.
const maxSights = 1000

// ages tell of numbers that grow how long they have been there: each entry says up
// to which number there were some at a time, in order.
type ages []sight

type sight struct {
	upTo uint64
	at   time.Time
}

// see notes that there are numbers from first to last, and returns for how long
// the first has been seen.
func (a *ages) see(first, last uint64, now time.Time) time.Duration {
	if n := len(*a); n == 0 || (*a)[n-1].upTo < last {
		*a = append(*a, sight{last, now})
	}
	gone := 0
	for (*a)[gone].upTo < first {
		gone++
	}
	*a = (*a)[gone:]
	if len(*a) > maxSights {
		// Every other: what was seen then counts as seen at the next.
		kept := (*a)[:0]
		for i := range *a {
			if i == 0 || i%2 == 1 || i == len(*a)-1 {
				kept = append(kept, (*a)[i])
			}
		}
		*a = kept
	}
	return now.Sub((*a)[0].at)
}
