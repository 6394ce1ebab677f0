package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// BenchmarkReferrers reads whole listings of several lengths.
func BenchmarkReferrers(b *testing.B) {
	for _, entries := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			store := mustOpen(b, newOptions())
			defer func() { must(b, store.Close()) }()
			records := make([]index.Record, entries)
			for i := range records {
				records[i] = numbered(i)
			}
			must(b, store.Observe(b.Context(), 0, records...))
			b.ReportAllocs()
			for b.Loop() {
				page, err := store.Referrers(b.Context(), repo, digest.FromString("subject"), index.Query{})
				must(b, err)
				if len(page.Referrers) != entries {
					b.Fatalf("%d entries", len(page.Referrers))
				}
			}
		})
	}
}

// BenchmarkPushes pushes one after the other, and many at once.
func BenchmarkPushes(b *testing.B) {
	for _, at := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d at once", at), func(b *testing.B) {
			store := mustOpen(b, newOptions())
			defer func() { must(b, store.Close()) }()
			b.SetParallelism(at)
			begun := time.Now().UnixNano()
			work := func(next func() bool) {
				for n := int(begun) + b.N; next(); n++ {
					must(b, push(b.Context(), store, numbered(n)))
				}
			}
			if at == 1 {
				work(b.Loop)
				return
			}
			b.RunParallel(func(pb *testing.PB) { work(pb.Next) })
		})
	}
}

// BenchmarkWays reads and pushes directly and through a pooler, where every
// transaction brings its settings along and no statement is prepared.
func BenchmarkWays(b *testing.B) {
	for _, way := range []string{"direct", "session", "transaction"} {
		options := newOptions()
		if way != "direct" {
			options.URL = newPooler(b, way, 20).URL
		}
		store := mustOpen(b, options)
		for i := range 10 {
			must(b, store.Observe(b.Context(), 0, numbered(i)))
		}
		b.Run("referrers/"+way, func(b *testing.B) {
			for b.Loop() {
				_, err := store.Referrers(b.Context(), repo, digest.FromString("subject"), index.Query{})
				must(b, err)
			}
		})
		n := int(time.Now().UnixNano())
		b.Run("push/"+way, func(b *testing.B) {
			for b.Loop() {
				n++
				must(b, push(b.Context(), store, numbered(n)))
			}
		})
		b.Run("tag/"+way, func(b *testing.B) {
			for b.Loop() {
				_, release, err := store.LockTag(b.Context(), repo, "v1", time.Minute)
				must(b, err)
				release()
			}
		})
		must(b, store.Close())
	}
}
