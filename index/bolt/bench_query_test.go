package bolt_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// BenchmarkQuery asks for the referrers of a subject that has a hundred
// thousand, of ten types and with a version each.
func BenchmarkQuery(b *testing.B) {
	const entries = 100_000
	store := mustOpen(b, filepath.Join(b.TempDir(), "index.db"))
	defer func() { must(b, store.Close()) }()
	records := benchmarkRecords(entries, "subject")
	for i := range records {
		records[i].ArtifactType = fmt.Sprintf("application/vnd.example.%d", i%10)
		records[i].Seen = time.Unix(1_700_000_000+int64(i), 0)
		annotations := map[string]string{index.AnnotationVersion: fmt.Sprintf("1.%d.%d", i/1000, i%1000)}
		for key, value := range records[i].Annotations {
			annotations[key] = value
		}
		records[i].Annotations = annotations
	}
	for len(records) > 0 {
		must(b, store.Observe(b.Context(), 0, records[:1000]...))
		records = records[1000:]
	}
	for _, c := range []struct {
		name, query string
		want        int
	}{
		{"first page", "n=1000", 1000},
		{"type", "artifactType=application/vnd.example.3&n=1000", 1000},
		{"glob", "artifactType=*.3&n=1000", 1000},
		{"type that nothing has", "artifactType=none", 0},
		{"annotation equal", "annotation=org.opencontainers.image.version=1.50.7", 1},
		{"annotation that nothing has", "annotation=none", 0},
		{"annotation range", "annotation=org.opencontainers.image.version>1.99.900", 99},
		{"latest", "sort=-created&n=1", 1},
		{"latest of a type", "sort=-created&n=1&artifactType=application/vnd.example.3", 1},
		{"highest version", "sort=-version&n=1", 1},
		{"by type", "sort=artifactType&n=1000", 1000},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkQuery(b, store, c.query, c.want, false) })
	}
	for _, c := range []string{"n=1000", "sort=created&n=1000", "sort=-created&n=10000"} {
		b.Run("all pages/"+c, func(b *testing.B) { benchmarkQuery(b, store, c, entries, true) })
	}
}

func benchmarkQuery(b *testing.B, store index.Store, text string, want int, all bool) {
	values, err := url.ParseQuery(text)
	must(b, err)
	query, err := index.ParseQuery(values)
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		got, at := 0, query
		for {
			page, err := store.Referrers(b.Context(), repo, digest.FromString("subject"), at)
			must(b, err)
			got += len(page.Referrers)
			if !all || !page.More {
				break
			}
			at.After = page.Referrers[len(page.Referrers)-1].Cursor()
		}
		if got != want {
			b.Fatalf("%d entries, want %d", got, want)
		}
	}
}
