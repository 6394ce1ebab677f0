package see

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/test/rig"
)

// BenchmarkImagePage opens the page of an image with so many referrers: the first page
// of these, and that of one type.
func BenchmarkImagePage(b *testing.B) {
	for _, referrers := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(referrers), func(b *testing.B) {
			s := newShelf(b, "app")
			s.backref.Stop()
			if err := fillIndex(b.Context(), s.backref.Index, "app", s.index.Digest, referrers); err != nil {
				b.Fatal(err)
			}
			s.backref.Restart()
			for name, path := range map[string]string{"first": "/-/image/latest", "type": "/-/image/latest?type=application/spdx%2Bjson"} {
				b.Run(name, func(b *testing.B) {
					// What is kept between requests is the same for all sizes.
					rig.Do(b, http.MethodGet, s.address(path), nil).Want(b, http.StatusOK)
					for b.Loop() {
						rig.Do(b, http.MethodGet, s.address(path), nil).Want(b, http.StatusOK)
					}
				})
			}
		})
	}
}

// fillIndex writes referrers into an index, past the registry.
func fillIndex(ctx context.Context, path, repository string, subject digest.Digest, referrers int) error {
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	const atOnce = 5000
	types := []string{"application/spdx+json", "application/vnd.in-toto+json", "application/sarif+json", "application/vnd.example"}
	began := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	batch := make([]index.Record, 0, atOnce)
	for i := range referrers {
		created := began.Add(time.Duration(i) * time.Second)
		batch = append(batch, index.Record{Repository: repository, Seen: created, Manifest: index.Manifest{
			Digest: digest.FromString(fmt.Sprint("referrer ", i)), MediaType: oci.MediaTypeImageManifest, Size: 700, ArtifactType: types[i%len(types)],
			Annotations: map[string]string{"org.opencontainers.image.created": created.Format(time.RFC3339), "org.example.run": fmt.Sprint(i)},
			Edges:       []index.Edge{{Kind: index.EdgeSubject, Target: subject}},
		}})
		if len(batch) == atOnce || i == referrers-1 {
			if err := store.Observe(ctx, 0, batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return store.Close()
}
