package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/registry"
)

// memoryJournal is a journal in memory, which can be told to fail.
type memoryJournal struct {
	mutex   sync.Mutex
	entries map[string][]byte
	failing error
}

var _ index.Journal = (*memoryJournal)(nil)

func (m *memoryJournal) WriteJournal(_ context.Context, _ index.Book, entries ...index.JournalEntry) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.failing != nil {
		return m.failing
	}
	for _, entry := range entries {
		if _, there := m.entries[entry.Key]; there {
			return fmt.Errorf("key %s is there already", entry.Key)
		}
		m.entries[entry.Key] = entry.Value
	}
	return nil
}

func (m *memoryJournal) keys() []string {
	var keys []string
	for key := range m.entries {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (m *memoryJournal) ReadJournal(_ context.Context, _ index.Book, after string, limit int) ([]index.JournalEntry, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var page []index.JournalEntry
	for _, key := range m.keys() {
		if key > after && len(page) < limit {
			page = append(page, index.JournalEntry{Key: key, Value: m.entries[key]})
		}
	}
	return page, nil
}

func (m *memoryJournal) DropJournal(_ context.Context, _ index.Book, keys ...string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, key := range keys {
		delete(m.entries, key)
	}
	return nil
}

func (m *memoryJournal) TrimJournal(_ context.Context, _ index.Book, before string, limit int) (dropped int, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, key := range m.keys() {
		if key < before && dropped < limit {
			delete(m.entries, key)
			dropped++
		}
	}
	return dropped, nil
}

func (m *memoryJournal) fail(err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.failing = err
}

// auditing is an audit that runs, and what it writes and counts.
type auditing struct {
	*reconcile.Audit
	journal *memoryJournal
	metrics *prometheus.Registry
	log     *observer.ObservedLogs
}

// newAuditing starts an audit for a test within a bubble of package synctest.
func newAuditing(t *testing.T, bounds reconcile.AuditBounds) *auditing {
	t.Helper()
	core, log := observer.New(zapcore.InfoLevel)
	a := &auditing{journal: &memoryJournal{entries: map[string][]byte{}}, metrics: prometheus.NewRegistry(), log: log}
	a.Audit = reconcile.NewAudit(reconcile.AuditOptions{Journal: a.journal, Log: zap.New(core), Bounds: bounds, Metrics: a.metrics})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	running.Go(func() { a.Trim(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return a
}

// records returns what is kept.
func (a *auditing) records(t *testing.T, query reconcile.AuditQuery) (records []reconcile.AuditRecord) {
	t.Helper()
	err := reconcile.ReadAudit(t.Context(), a.journal, query, func(record reconcile.AuditRecord) error {
		records = append(records, record)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func (a *auditing) counted(t *testing.T, name string) float64 {
	t.Helper()
	families, err := a.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name {
				total += metric.GetCounter().GetValue()
			}
		}
	}
	return total
}

func denied(repository string) registry.AuditEvent {
	return registry.AuditEvent{Outcome: registry.AuditDenied, Action: "pull", Repository: repository, Rule: "images"}
}

func deleted(repository string) registry.AuditEvent {
	return registry.AuditEvent{Outcome: registry.AuditDeleted, Action: "delete", Repository: repository, Tag: "v1"}
}

// keepAll keeps more than any test writes.
func keepAll() reconcile.AuditBounds {
	return reconcile.AuditBounds{Keep: 24 * time.Hour, Entries: 1 << 20}
}

func TestAuditIsKeptAndFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuditing(t, keepAll())
		begin := time.Now()
		for i, event := range []registry.AuditEvent{denied("team/a"), deleted("team/a"), denied("other"), deleted("team/b/c")} {
			if i > 0 {
				time.Sleep(time.Second)
			}
			a.Record(t.Context(), event)
		}
		synctest.Wait()
		glob, err := oci.ParseGlob("team/*")
		if err != nil {
			t.Fatal(err)
		}
		for want, query := range map[string]reconcile.AuditQuery{
			"team/a denied, team/a deleted, other denied, team/b/c deleted": {},
			"team/a denied, team/a deleted":                                 {Repository: glob},
			"team/a deleted, team/b/c deleted":                              {Outcome: registry.AuditDeleted},
			"team/a denied, other denied":                                   {Rule: "images"},
			"other denied, team/b/c deleted":                                {Since: begin.Add(2 * time.Second)},
			"team/a denied, team/a deleted, other denied":                   {Until: begin.Add(3 * time.Second)},
			"": {Since: begin.Add(time.Hour)},
		} {
			var got []string
			for _, record := range a.records(t, query) {
				got = append(got, record.Repository+" "+record.Outcome)
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("%+v: %v, want %s", query, got, want)
			}
		}
		if lines := a.log.FilterMessage("audit").Len(); lines != 4 {
			t.Errorf("%d lines in the log", lines)
		}
	})
}

// A client that is denied the same over and over is one record a minute; what
// differs, and each deletion, is one of its own.
func TestAuditOfRepeatedDenials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuditing(t, keepAll())
		for range 500 {
			a.Record(t.Context(), denied("a"))
			synctest.Wait()
		}
		a.Record(t.Context(), denied("b"))
		for range 3 {
			a.Record(t.Context(), deleted("a"))
		}
		synctest.Wait()
		if got := len(a.records(t, reconcile.AuditQuery{})); got != 5 {
			t.Errorf("%d records, want 5", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		total := 0
		for _, record := range a.records(t, reconcile.AuditQuery{Outcome: registry.AuditDenied}) {
			total += max(1, record.Repeated)
		}
		if records := a.records(t, reconcile.AuditQuery{}); len(records) != 6 || total != 501 {
			t.Errorf("%d records that stand for %d denials: %+v", len(records), total, records)
		}
		if lines := a.log.FilterMessage("audit").Len(); lines != 504 {
			t.Errorf("%d lines in the log", lines)
		}
		// Later it is news again.
		a.Record(t.Context(), denied("a"))
		synctest.Wait()
		if records := a.records(t, reconcile.AuditQuery{}); len(records) != 7 || records[6].Repeated != 0 {
			t.Errorf("%d records, the last %+v", len(records), records[len(records)-1])
		}
	})
}

// While the index takes nothing, nobody waits, a bounded number is held back, what
// is more is counted, and all of it stands in the log.
func TestAuditWithoutTheIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuditing(t, keepAll())
		a.journal.fail(errors.New("disk full"))
		const events = 3000
		for i := range events {
			a.Record(t.Context(), deleted(fmt.Sprint(i)))
			synctest.Wait()
		}
		if lines := a.log.FilterMessage("audit").Len(); lines != events {
			t.Errorf("%d lines in the log", lines)
		}
		if warnings := a.log.FilterLevelExact(zapcore.WarnLevel).Len(); warnings != 1 {
			t.Errorf("%d warnings", warnings)
		}
		dropped := a.counted(t, "backref_audit_dropped_total")
		a.journal.fail(nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		kept := a.records(t, reconcile.AuditQuery{})
		if dropped == 0 || float64(len(kept))+dropped != events {
			t.Errorf("%d records are kept, and %v counted as dropped", len(kept), dropped)
		}
		if kept[0].Repository != "0" {
			t.Errorf("the first is %+v", kept[0])
		}
	})
}

func TestAuditIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuditing(t, reconcile.AuditBounds{Keep: time.Hour, Entries: 100})
		fill := func(n int) {
			for i := range n {
				a.Record(t.Context(), deleted(fmt.Sprint(i)))
				synctest.Wait()
			}
		}
		fill(250)
		time.Sleep(2 * time.Minute)
		if records := a.records(t, reconcile.AuditQuery{}); len(records) != 100 || records[99].Repository != "249" {
			t.Errorf("%d records", len(records))
		}
		// A smaller number counts at once, an age when it is reached.
		a.SetBounds(reconcile.AuditBounds{Keep: time.Hour, Entries: 10})
		time.Sleep(2 * time.Minute)
		if got := len(a.records(t, reconcile.AuditQuery{})); got != 10 {
			t.Errorf("%d records", got)
		}
		time.Sleep(2 * time.Hour)
		fill(1)
		if got := len(a.records(t, reconcile.AuditQuery{})); got != 1 {
			t.Errorf("%d records", got)
		}
		// With 0 nothing is kept, nor what was.
		a.SetBounds(reconcile.AuditBounds{Entries: 10})
		fill(1)
		time.Sleep(2 * time.Minute)
		if got := len(a.records(t, reconcile.AuditQuery{})); got != 0 {
			t.Errorf("%d records", got)
		}
		if got := a.counted(t, "backref_audit_dropped_total"); got != 0 {
			t.Errorf("%v are counted as dropped", got)
		}
	})
}

// What is recorded before the end is kept; two processes never write the same key.
func TestAuditEndsWithAllWritten(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	var processes sync.WaitGroup
	const each = 200
	for range 2 {
		processes.Go(func() {
			a := reconcile.NewAudit(reconcile.AuditOptions{Journal: store, Log: zap.NewNop(), Bounds: keepAll(), Now: func() time.Time { return time.Unix(1, 0) }})
			for i := range each {
				a.Record(t.Context(), deleted(fmt.Sprint(i)))
			}
			for range 3 {
				a.Record(t.Context(), denied("again"))
			}
			a.Close()
		})
	}
	processes.Wait()
	kept, repeated := 0, 0
	err = reconcile.ReadAudit(t.Context(), store, reconcile.AuditQuery{}, func(record reconcile.AuditRecord) error {
		kept++
		repeated += record.Repeated
		return nil
	})
	if err != nil || kept != 2*(each+2) || repeated != 2*2 {
		t.Errorf("%d records with %d repetitions, %v", kept, repeated, err)
	}
}
