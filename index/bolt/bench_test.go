package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// benchmarkRecords returns records of a subject, that hold what a signature or
// an attestation usually holds.
func benchmarkRecords(n int, subject string) []index.Record {
	records := make([]index.Record, n)
	for i := range records {
		records[i] = someRecord(fmt.Sprintf("%s %d", subject, i), subject)
	}
	return records
}

func BenchmarkReferrers(b *testing.B) {
	for _, entries := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			store := mustOpen(b, filepath.Join(b.TempDir(), "index.db"))
			defer func() { must(b, store.Close()) }()
			must(b, store.Observe(b.Context(), 0, benchmarkRecords(entries, "subject")...))
			// Others' referrers make the trees as deep as they are in use.
			for i := range 20 {
				must(b, store.Observe(b.Context(), 0, benchmarkRecords(100, fmt.Sprint("other", i))...))
			}
			subject := digest.FromString("subject")
			b.ReportAllocs()
			for b.Loop() {
				page, err := store.Referrers(b.Context(), repo, subject, index.Query{MaxBytes: 4 << 20})
				if err != nil || len(page.Referrers) != entries {
					b.Fatal(len(page.Referrers), err)
				}
			}
		})
	}
}

// BenchmarkManifests lists a page of the records of a repository that has ten
// for each of its subjects.
func BenchmarkManifests(b *testing.B) {
	store := mustOpen(b, filepath.Join(b.TempDir(), "index.db"))
	defer func() { must(b, store.Close()) }()
	for i := range 1000 {
		must(b, store.Observe(b.Context(), 0, benchmarkRecords(10, fmt.Sprint("subject", i))...))
	}
	b.ReportAllocs()
	for b.Loop() {
		records, _, err := store.Manifests(b.Context(), repo, index.Query{Limit: 1000})
		if err != nil || len(records) != 1000 {
			b.Fatal(len(records), err)
		}
	}
}

// BenchmarkUnsettled asks where nothing is open, and where pushes are under
// way to other subjects of the repository.
func BenchmarkUnsettled(b *testing.B) {
	for _, open := range []int{0, 64} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			store := mustOpen(b, filepath.Join(b.TempDir(), "index.db"))
			defer func() { must(b, store.Close()) }()
			for _, record := range benchmarkRecords(open, "other") {
				_, err := store.Begin(b.Context(), index.Intent{Kind: index.IntentPush, Record: record, Deadline: time.Now()})
				must(b, err)
			}
			subject := digest.FromString("subject")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.Unsettled(b.Context(), repo, subject); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPush makes pushes durable, each before and after the upstream would
// be asked. What it reports is the time from push to push.
func BenchmarkPush(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		for _, subjects := range []int{1, 1000} {
			b.Run(fmt.Sprintf("writers=%d/subjects=%d", writers, subjects), func(b *testing.B) {
				store := mustOpen(b, filepath.Join(b.TempDir(), "index.db"))
				defer func() { must(b, store.Close()) }()
				var next atomic.Int64
				var group sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range writers {
					group.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							record := someRecord(fmt.Sprint(n), fmt.Sprint(n%int64(subjects)))
							intent := index.Intent{Kind: index.IntentPush, Record: record, Deadline: time.Now()}
							id, err := store.Begin(context.Background(), intent)
							if err == nil {
								err = store.Confirm(context.Background(), id, time.Now())
							}
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				group.Wait()
			})
		}
	}
}

// BenchmarkObserve records manifests in bulk, as a rebuild does. What it
// reports is the time of a record.
func BenchmarkObserve(b *testing.B) {
	const bulk = 1000
	b.Run(fmt.Sprintf("bulk=%d", bulk), func(b *testing.B) {
		store := mustOpen(b, filepath.Join(b.TempDir(), "index.db"))
		defer func() { must(b, store.Close()) }()
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			records := benchmarkRecords(bulk, fmt.Sprint("subject", b.N, time.Now().UnixNano()))
			b.StartTimer()
			must(b, store.Observe(b.Context(), 0, records...))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bulk), "ns/record")
	})
}
