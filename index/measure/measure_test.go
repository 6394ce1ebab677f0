package measure_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/index/measure"
	"github.com/backref/backref/oci"
)

func open(tb testing.TB, attempted func(int, error)) *bolt.Store {
	tb.Helper()
	store, err := bolt.Open(filepath.Join(tb.TempDir(), "index.db"), bolt.Options{Attempted: attempted})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	return store
}

func referrer(number int) index.Record {
	return index.Record{
		Repository: "app",
		Manifest: index.Manifest{
			Digest: digest.FromString(fmt.Sprint(number)), MediaType: oci.MediaTypeImageManifest, Size: 700,
			Edges: []index.Edge{{Kind: index.EdgeSubject, Target: subject()}},
		},
		Seen: time.Unix(1_750_000_000, 0),
	}
}

func subject() digest.Digest { return digest.FromString("subject") }

// Calls and the transactions of changes are counted; an answer that the caller
// wanted is no failure.
func TestCallsAreMeasured(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics := measure.NewMetrics(registry)
	store := measure.New(open(t, metrics.Attempted), metrics)
	if err := store.Observe(t.Context(), 0, referrer(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "app", subject()); !errors.Is(err, index.ErrNotFound) {
		t.Fatal(err)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP backref_index_batch_changes Changes that shared one transaction of the index.
# TYPE backref_index_batch_changes histogram
backref_index_batch_changes_bucket{le="1"} 1
backref_index_batch_changes_bucket{le="2"} 1
backref_index_batch_changes_bucket{le="4"} 1
backref_index_batch_changes_bucket{le="8"} 1
backref_index_batch_changes_bucket{le="16"} 1
backref_index_batch_changes_bucket{le="32"} 1
backref_index_batch_changes_bucket{le="64"} 1
backref_index_batch_changes_bucket{le="128"} 1
backref_index_batch_changes_bucket{le="256"} 1
backref_index_batch_changes_bucket{le="+Inf"} 1
backref_index_batch_changes_sum 1
backref_index_batch_changes_count 1
# HELP backref_index_write_errors_total Transactions of the index that failed, with all their changes.
# TYPE backref_index_write_errors_total counter
backref_index_write_errors_total 0
`), "backref_index_batch_changes", "backref_index_write_errors_total"); err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, series := range family.Metric {
			switch {
			case family.GetName() == "backref_index_operation_errors_total" && series.GetCounter().GetValue() != 0:
				t.Errorf("failures: %v", series)
			case family.GetName() == "backref_index_operation_duration_seconds" && series.GetLabel()[0].GetValue() == "observe" &&
				series.GetHistogram().GetSampleCount() != 1:
				t.Errorf("observe: %v", series)
			}
		}
	}
	metrics.Attempted(3, errors.New("no space left on device"))
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP backref_index_write_errors_total Transactions of the index that failed, with all their changes.
# TYPE backref_index_write_errors_total counter
backref_index_write_errors_total 1
`), "backref_index_write_errors_total"); err != nil {
		t.Error(err)
	}
}

// waiting is a store in which something waits.
type waiting struct {
	intents []index.Intent
	// removals are open too.
	removals []index.Intent
	changes  []index.Change
	reads    int
	err      error
}

func (w *waiting) Intents(_ context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
	w.reads++
	from := min(int(after), len(w.intents))
	return w.intents[from:min(from+limit, len(w.intents))], w.err
}

func (w *waiting) Removals(_ context.Context, _ string, after index.IntentID, limit int) ([]index.Intent, error) {
	from := min(int(after), len(w.removals))
	return w.removals[from:min(from+limit, len(w.removals))], w.err
}

func (w *waiting) Changed(_ context.Context, after uint64, limit int) (changes []index.Change, err error) {
	for _, change := range w.changes {
		if change.Number > after && len(changes) < limit {
			changes = append(changes, change)
		}
	}
	return changes, nil
}

func (w *waiting) Size(context.Context) (int64, error) { return 4096, nil }

// What waits is counted with how long it has, not too often, and what can't be read
// is left out.
func TestBacklog(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	store := &waiting{changes: []index.Change{{Number: 7}, {Number: 8}}}
	for id := range 20_000 {
		store.intents = append(store.intents, index.Intent{ID: index.IntentID(id + 1), Deadline: now.Add(-time.Minute)})
	}
	backlog := measure.NewBacklog(store, func() time.Time { return now })
	want := func(name string, value string) {
		t.Helper()
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(backlog)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		for _, family := range families {
			if family.GetName() == name {
				got = fmt.Sprint(family.Metric[0].GetGauge().GetValue())
			}
		}
		if got != value {
			t.Errorf("%s is %s, want %s", name, got, value)
		}
	}
	want("backref_intents_open", "10000")
	want("backref_intents_oldest_overdue_seconds", "60")
	want("backref_removals_open", "0")
	want("backref_removals_oldest_age_seconds", "0")
	want("backref_outbox_listings", "2")
	want("backref_outbox_oldest_age_seconds", "0")
	want("backref_index_size_bytes", "4096")
	if store.reads != 20 {
		t.Errorf("%d pages were read for several scrapes at once, not 20", store.reads)
	}
	store.changes, store.intents = []index.Change{{Number: 8}, {Number: 9}}, nil
	store.removals = []index.Intent{{ID: 1, Kind: index.IntentRemoval, Deadline: now}, {ID: 2, Kind: index.IntentRemoval, Deadline: now.Add(time.Second)}}
	now = now.Add(time.Minute)
	want("backref_removals_open", "2")
	want("backref_removals_oldest_age_seconds", "60")
	want("backref_intents_open", "0")
	want("backref_intents_oldest_overdue_seconds", "0")
	want("backref_outbox_oldest_age_seconds", "60")
	store.changes = store.changes[1:]
	now = now.Add(30 * time.Second)
	want("backref_outbox_oldest_age_seconds", "30")
	store.changes, store.err = nil, index.ErrClosed
	now = now.Add(time.Minute)
	want("backref_outbox_oldest_age_seconds", "0")
	want("backref_intents_open", "none")
}

// What it costs to measure a call, against the call alone.
func BenchmarkMeasured(b *testing.B) {
	bare := open(b, nil)
	for i := range 10 {
		if err := bare.Observe(b.Context(), 0, referrer(i)); err != nil {
			b.Fatal(err)
		}
	}
	for name, store := range map[string]index.Store{"bare": bare, "measured": measure.New(bare, measure.NewMetrics(prometheus.NewRegistry()))} {
		b.Run("referrers/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.Referrers(b.Context(), "app", subject(), index.Query{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("unsettled/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.Unsettled(b.Context(), "app", subject()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
