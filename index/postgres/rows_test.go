package postgres

import (
	"reflect"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// A record is read as it was written, and its descriptor is what package index
// makes of it, byte for byte.
func TestRowsAreReadAsTheyWereWritten(t *testing.T) {
	names := []digest.Digest{digest.FromString("a"), digest.SHA384.FromString("b"), digest.SHA512.FromString("c")}
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "<a&b>", "\"quoted\\", "line\u2028break\x00", oci.MediaTypeImageIndex}))
	rapid.Check(t, func(rt *rapid.T) {
		record := index.Record{
			Repository: "library/app",
			Manifest: index.Manifest{
				Digest:       rapid.SampledFrom(names).Draw(rt, "digest"),
				MediaType:    text.Draw(rt, "media type"),
				Size:         rapid.Int64().Draw(rt, "size"),
				ArtifactType: text.Draw(rt, "artifact type"),
				Annotations:  rapid.MapOfN(text, text, 0, 4).Draw(rt, "annotations"),
			},
			Seen: time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(rt, "seen"), rapid.Int64Range(0, 999_999_999).Draw(rt, "nanoseconds")).UTC(),
		}
		if len(record.Annotations) == 0 {
			record.Annotations = nil
		}
		for i := range rapid.IntRange(0, 3).Draw(rt, "edges") {
			record.Edges = append(record.Edges, index.Edge{Kind: index.EdgeKind(i + 1), Target: rapid.SampledFrom(names).Draw(rt, "target")})
		}
		r, err := encodeRow(record)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := r.record(record.Repository)
		if err != nil || !reflect.DeepEqual(got, record) {
			rt.Fatalf("read %+v, %v\nwritten %+v", got, err, record)
		}
		want, err := record.Descriptor().Encode()
		if err != nil {
			rt.Fatal(err)
		}
		descriptor, err := appendDescriptor(nil, r.digest, r.artifactType, r.shown)
		if err != nil || string(descriptor) != string(want) {
			rt.Fatalf("descriptor %s, %v\nwant %s", descriptor, err, want)
		}
		if _, err := encodeIntent(index.Intent{Kind: index.IntentPush, Record: record}); err != nil {
			rt.Fatal(err)
		}
	})
}

// Whatever the tables hold, it is read or refused.
func FuzzRow(f *testing.F) {
	f.Add([]byte{1}, []byte("x"), []byte{1, 2}, []byte{0, 0})
	f.Fuzz(func(_ *testing.T, digest, artifactType, shown, kept []byte) {
		r := row{digest: digest, subject: digest, artifactType: artifactType, shown: shown, kept: kept}
		if _, err := r.record("library/app"); err != nil {
			return
		}
		_, _ = appendDescriptor(nil, digest, artifactType, shown)
		_, _ = decodeIntent(1, index.IntentPush, matterKey{"library/app", string(digest)}, kept, [][]byte{digest, kept})
	})
}
