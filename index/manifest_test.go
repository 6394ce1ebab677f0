package index_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	schema1        = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	ociArtifact    = "application/vnd.oci.artifact.manifest.v1+json"
	orasArtifact   = "application/vnd.cncf.oras.artifact.manifest.v1+json"
	emptyConfig    = "application/vnd.oci.empty.v1+json"
)

func sum(what string) digest.Digest { return digest.FromString(what) }

// expand puts digests in the place of $name and $512:name.
func expand(body string) string {
	for _, what := range []string{"subject", "config", "layer1", "layer2", "child1", "child2"} {
		body = strings.ReplaceAll(body, "$512:"+what, digest.SHA512.FromString(what).String())
		body = strings.ReplaceAll(body, "$"+what, sum(what).String())
	}
	return body
}

type parsed struct {
	mediaType, artifactType string
	annotations             map[string]string
	edges                   []index.Edge
}

func TestParseManifest(t *testing.T) {
	for name, test := range map[string]struct {
		sent, body string
		want       parsed
	}{
		"image manifest": {
			sent: oci.MediaTypeImageManifest,
			body: `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
				"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"$config","size":2},
				"layers":[{"mediaType":"x","digest":"$layer1","size":1},{"mediaType":"x","digest":"$layer2","size":1}]}`,
			want: parsed{
				mediaType:    oci.MediaTypeImageManifest,
				artifactType: "application/vnd.oci.image.config.v1+json",
				edges: []index.Edge{
					{Kind: index.EdgeConfig, Target: sum("config")},
					{Kind: index.EdgeLayer, Target: sum("layer1")},
					{Kind: index.EdgeLayer, Target: sum("layer2")},
				},
			},
		},
		"referrer": {
			sent: oci.MediaTypeImageManifest + "; charset=utf-8",
			body: `{"schemaVersion":2,"artifactType":"application/vnd.example.sbom",
				"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"$config","size":2},
				"layers":[{"digest":"$layer1"}],
				"subject":{"mediaType":"x","digest":"$subject","size":1},
				"annotations":{"a":"1","b":""}}`,
			want: parsed{
				mediaType:    oci.MediaTypeImageManifest,
				artifactType: "application/vnd.example.sbom",
				annotations:  map[string]string{"a": "1", "b": ""},
				edges: []index.Edge{
					{Kind: index.EdgeSubject, Target: sum("subject")},
					{Kind: index.EdgeConfig, Target: sum("config")},
					{Kind: index.EdgeLayer, Target: sum("layer1")},
				},
			},
		},
		"empty artifactType falls back to the config": {
			body: `{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"",
				"config":{"mediaType":"` + emptyConfig + `","digest":"$config"}}`,
			want: parsed{
				mediaType: oci.MediaTypeImageManifest, artifactType: emptyConfig,
				edges: []index.Edge{{Kind: index.EdgeConfig, Target: sum("config")}},
			},
		},
		"subject of sha512": {
			sent: oci.MediaTypeImageManifest,
			body: `{"subject":{"digest":"$512:subject"}}`,
			want: parsed{
				mediaType: oci.MediaTypeImageManifest,
				edges:     []index.Edge{{Kind: index.EdgeSubject, Target: digest.SHA512.FromString("subject")}},
			},
		},
		"index": {
			sent: oci.MediaTypeImageIndex,
			body: `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",
				"manifests":[{"digest":"$child1"},{"digest":"$child2"},{"digest":"$child1","platform":{"os":"linux"}}],
				"subject":{"digest":"$subject"},"artifactType":"application/vnd.example.bundle"}`,
			want: parsed{
				mediaType:    oci.MediaTypeImageIndex,
				artifactType: "application/vnd.example.bundle",
				edges: []index.Edge{
					{Kind: index.EdgeSubject, Target: sum("subject")},
					{Kind: index.EdgeManifest, Target: sum("child1")},
					{Kind: index.EdgeManifest, Target: sum("child2")},
				},
			},
		},
		"index without artifactType": {
			sent: oci.MediaTypeImageIndex,
			body: `{"manifests":[],"subject":{"digest":"$subject"}}`,
			want: parsed{
				mediaType: oci.MediaTypeImageIndex,
				edges:     []index.Edge{{Kind: index.EdgeSubject, Target: sum("subject")}},
			},
		},
		"Docker manifest": {
			sent: dockerManifest,
			body: `{"schemaVersion":2,"mediaType":"` + dockerManifest + `",
				"config":{"mediaType":"` + dockerConfig + `","digest":"$config"},
				"layers":[{"digest":"$layer1"},{"digest":"$layer1"}]}`,
			want: parsed{
				mediaType: dockerManifest, artifactType: dockerConfig,
				edges: []index.Edge{
					{Kind: index.EdgeConfig, Target: sum("config")},
					{Kind: index.EdgeLayer, Target: sum("layer1")},
				},
			},
		},
		"Docker list": {
			sent: oci.MediaTypeDockerList,
			body: `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeDockerList + `","manifests":[{"digest":"$child1"}]}`,
			want: parsed{
				mediaType: oci.MediaTypeDockerList,
				edges:     []index.Edge{{Kind: index.EdgeManifest, Target: sum("child1")}},
			},
		},
		"Docker schema 1": {
			sent: schema1,
			body: `{"schemaVersion":1,"name":"a","tag":"b","architecture":"amd64",
				"fsLayers":[{"blobSum":"$layer1"},{"blobSum":"$layer2"},{"blobSum":"$layer1"}],
				"history":[{"v1Compatibility":"{}"}],"signatures":[{}]}`,
			want: parsed{
				mediaType: schema1,
				edges: []index.Edge{
					{Kind: index.EdgeLayer, Target: sum("layer1")},
					{Kind: index.EdgeLayer, Target: sum("layer2")},
				},
			},
		},
		"OCI artifact manifest": {
			body: `{"mediaType":"` + ociArtifact + `","artifactType":"a/b","blobs":[{"digest":"$layer1"}],"subject":{"digest":"$subject"}}`,
			want: parsed{
				mediaType: ociArtifact, artifactType: "a/b",
				edges: []index.Edge{
					{Kind: index.EdgeSubject, Target: sum("subject")},
					{Kind: index.EdgeBlob, Target: sum("layer1")},
				},
			},
		},
		"ORAS artifact manifest": {
			sent: orasArtifact,
			body: `{"mediaType":"` + orasArtifact + `","artifactType":"a/b","blobs":[],"subject":{"digest":"$subject"}}`,
			want: parsed{
				mediaType: orasArtifact, artifactType: "a/b",
				edges: []index.Edge{{Kind: index.EdgeSubject, Target: sum("subject")}},
			},
		},
		"annotations and nothing else": {
			sent: oci.MediaTypeImageIndex,
			body: ` {"annotations":{"a":"b"}} `,
			want: parsed{mediaType: oci.MediaTypeImageIndex, annotations: map[string]string{"a": "b"}},
		},
		"one digest in several fields": {
			sent: oci.MediaTypeImageManifest,
			body: `{"config":{"digest":"$layer1"},"layers":[{"digest":"$layer1"}],"subject":{"digest":"$layer1"}}`,
			want: parsed{
				mediaType: oci.MediaTypeImageManifest,
				edges: []index.Edge{
					{Kind: index.EdgeSubject, Target: sum("layer1")},
					{Kind: index.EdgeConfig, Target: sum("layer1")},
					{Kind: index.EdgeLayer, Target: sum("layer1")},
				},
			},
		},
		"nulls are as if they were not there": {
			sent: oci.MediaTypeImageManifest,
			body: `{"subject":null,"config":null,"layers":null,"manifests":null,"annotations":null,"artifactType":null}`,
			want: parsed{mediaType: oci.MediaTypeImageManifest},
		},
		"nothing": {body: `{}`},
		"media type in other letters": {
			sent: "Application/VND.oci.image.index.v1+JSON",
			body: `{"mediaType":"application/vnd.oci.image.index.v1+json"}`,
			want: parsed{mediaType: oci.MediaTypeImageIndex},
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(expand(test.body))
			for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512} {
				got, err := index.ParseManifest(test.sent, algorithm, body)
				if err != nil {
					t.Fatal(err)
				}
				want := index.Manifest{
					Digest:       algorithm.FromBytes(body),
					MediaType:    test.want.mediaType,
					Size:         int64(len(body)),
					ArtifactType: test.want.artifactType,
					Annotations:  test.want.annotations,
					Edges:        test.want.edges,
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("\n got %+v\nwant %+v", got, want)
				}
			}
		})
	}
}

func TestParseManifestRefuses(t *testing.T) {
	for name, test := range map[string]struct{ sent, body string }{
		"nothing":                    {body: ``},
		"null":                       {body: ` null`},
		"an array":                   {body: `[]`},
		"a string":                   {body: `"{}"`},
		"no JSON":                    {body: `{`},
		"something behind it":        {body: `{}{}`},
		"another media type":         {sent: oci.MediaTypeImageManifest, body: `{"mediaType":"application/vnd.oci.image.index.v1+json"}`},
		"a malformed media type":     {sent: "application/", body: `{}`},
		"a media type of no string":  {body: `{"mediaType":1}`},
		"layers of no array":         {body: `{"layers":{}}`},
		"a subject of no object":     {body: `{"subject":"$subject"}`},
		"a subject without digest":   {body: `{"subject":{}}`},
		"an empty layer":             {body: `{"layers":[null]}`},
		"annotations of no strings":  {body: `{"annotations":{"a":1}}`},
		"a digest without algorithm": {body: `{"subject":{"digest":"abc"}}`},
		"a short digest":             {body: `{"subject":{"digest":"sha256:abc"}}`},
		"a digest in upper case":     {body: `{"config":{"digest":"sha256:` + strings.Repeat("A", 64) + `"}}`},
		"an unknown algorithm":       {body: `{"layers":[{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e"}]}`},
		"a digest of no string":      {body: `{"manifests":[{"digest":7}]}`},
		"a malformed fsLayer":        {body: `{"fsLayers":[{}]}`},
		"depth":                      {body: strings.Repeat(`{"a":`, 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := index.ParseManifest(test.sent, digest.SHA256, []byte(expand(test.body)))
			if !errors.Is(err, index.ErrManifest) {
				t.Fatalf("got error %v", err)
			}
		})
	}
	for _, algorithm := range []digest.Algorithm{"", "md5", "SHA256"} {
		if _, err := index.ParseManifest("", algorithm, []byte("{}")); !errors.Is(err, index.ErrManifest) {
			t.Fatalf("algorithm %q: got error %v", algorithm, err)
		}
	}
}

// TestDescriptor checks which fields of an entry are left out.
func TestDescriptor(t *testing.T) {
	manifest := index.Manifest{Digest: sum("a"), MediaType: "b/c", Size: 3}
	encoded, err := json.Marshal(manifest.Descriptor())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"mediaType":"b/c","digest":"` + sum("a").String() + `","size":3}`; string(encoded) != want {
		t.Fatalf("got %s, want %s", encoded, want)
	}
}

func TestSubject(t *testing.T) {
	for _, test := range []struct {
		edges []index.Edge
		want  digest.Digest
	}{
		{nil, ""},
		{[]index.Edge{{Kind: index.EdgeLayer, Target: sum("a")}}, ""},
		{[]index.Edge{{Kind: index.EdgeSubject, Target: sum("a")}, {Kind: index.EdgeLayer, Target: sum("b")}}, sum("a")},
	} {
		if got := (index.Manifest{Edges: test.edges}).Subject(); got != test.want {
			t.Errorf("%v: got %q, want %q", test.edges, got, test.want)
		}
	}
}

func TestHasSubject(t *testing.T) {
	for body, want := range map[string]bool{
		`{"subject":{"digest":"sha256:1"}}`: true,
		`{"subject":7}`:                     true,
		`{"subject":null}`:                  false,
		`{}`:                                false,
		`null`:                              false,
		`[{"subject":{}}]`:                  false,
		`{"subject":{}`:                     false,
	} {
		if got := index.HasSubject([]byte(body)); got != want {
			t.Errorf("%s: got %t, want %t", body, got, want)
		}
	}
}

// TestFit checks that a page made of entries is the one that a store makes.
func TestFit(t *testing.T) {
	entries := []index.Referrer{{Descriptor: []byte("12345")}, {Descriptor: []byte("123")}, {Descriptor: []byte("1")}}
	for _, test := range []struct {
		query index.Query
		want  int
	}{
		{index.Query{}, 3},
		{index.Query{Limit: 1}, 1},
		{index.Query{Limit: 3}, 3},
		{index.Query{Limit: 9}, 3},
		{index.Query{MaxBytes: 1}, 1},
		{index.Query{MaxBytes: 9}, 1},
		{index.Query{MaxBytes: 10}, 2},
		{index.Query{MaxBytes: 11}, 2},
		{index.Query{MaxBytes: 12}, 3},
		{index.Query{MaxBytes: 12, Limit: 2}, 2},
		{index.Query{MaxBytes: 9, Limit: 2}, 1},
		{index.Query{ArtifactTypes: []string{"filtered"}}, 3},
	} {
		if got := test.query.Fit(entries); got != test.want {
			t.Errorf("%+v: got %d, want %d", test.query, got, test.want)
		}
	}
	if got := (index.Query{Limit: 1}).Fit(nil); got != 0 {
		t.Errorf("of nothing %d fit", got)
	}
}

func TestKindNames(t *testing.T) {
	var names []string
	for kind := index.EdgeKind(1); kind <= 6; kind++ {
		names = append(names, kind.String())
	}
	for kind := index.IntentKind(1); kind <= 5; kind++ {
		names = append(names, kind.String())
	}
	want := "subject config layer manifest blob kind-6 push delete import removal kind-5"
	if got := strings.Join(names, " "); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestKindsAsText(t *testing.T) {
	for kind := index.EdgeSubject; kind <= index.EdgeBlob; kind++ {
		text, err := json.Marshal(index.Edge{Kind: kind, Target: "x"})
		var edge index.Edge
		if err := errors.Join(err, json.Unmarshal(text, &edge)); err != nil || edge.Kind != kind {
			t.Errorf("%s: %s, %v", kind, text, err)
		}
	}
	for _, text := range []string{`{"kind":"kin"}`, `{"kind":""}`, `{"kind":1}`} {
		if err := json.Unmarshal([]byte(text), new(index.Edge)); err == nil {
			t.Errorf("%s is taken for an edge", text)
		}
	}
	if _, err := json.Marshal(index.Intent{Kind: 5}); !errors.Is(err, index.ErrInvalid) {
		t.Errorf("a kind that is none: %v", err)
	}
}
