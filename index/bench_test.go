package index_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// BenchmarkParseManifest reads an artifact as clients push it, and the largest
// index that is accepted by default.
func BenchmarkParseManifest(b *testing.B) {
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2,"annotations":{"org.example.a":"b"},"platform":{"os":"linux","architecture":"amd64"}}`,
		oci.MediaTypeImageManifest, sum("child1"))
	for name, body := range map[string]string{
		"artifact": expand(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.example",
			"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"$config","size":2},
			"layers":[{"mediaType":"x","digest":"$layer1","size":1,"annotations":{"org.opencontainers.image.title":"a"}}],
			"subject":{"mediaType":"x","digest":"$subject","size":1},"annotations":{"org.opencontainers.image.created":"2030-01-01T00:00:00Z"}}`),
		"index of 4 MiB": `{"schemaVersion":2,"manifests":[` + strings.TrimSuffix(strings.Repeat(entry+",", 4<<20/(len(entry)+1)-1), ",") + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := index.ParseManifest("", digest.SHA256, []byte(body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
