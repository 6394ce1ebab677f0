package bolt

import (
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

// FuzzAnnotation checks that an annotation that is found in an encoded
// descriptor is the one that the descriptor has.
func FuzzAnnotation(f *testing.F) {
	f.Add("key", "value", "other", `,"key":"wrong"`, "a/b")
	f.Add("digest", "sha256:x", `x"digest`, "{", `a,"annotations":{`)
	f.Add(`\`, `\"`, `"`, `\\`, "")
	f.Add("k<&>", "\u2028 \x7f", "", "", "ключ")
	f.Fuzz(func(t *testing.T, key, value, otherKey, otherValue, artifactType string) {
		d := oci.Descriptor{
			MediaType: "a/b", Digest: digest.FromString("x"), Size: 1, ArtifactType: artifactType,
			Annotations: map[string]string{otherKey: otherValue, key: value, "z": otherValue},
		}
		encoded, err := encodeAnnotations(d)
		if err != nil {
			t.Fatal(err)
		}
		// What is not valid UTF-8 is encoded as something else.
		for _, key := range []string{key, otherKey, "z"} {
			want, valid := d.Annotations[key], encodeValid(key) && encodeValid(d.Annotations[key]) && encodeValid(otherKey)
			got, given, err := annotation(encoded, encodeKey(key))
			if valid && (err != nil || !given || got != want) {
				t.Fatalf("%s: %q is %q, %v, %v; want %q", encoded, key, got, given, err, want)
			}
		}
		if _, given, _ := annotation(encoded, encodeKey("absent "+key+otherKey)); given {
			t.Fatalf("%s: found what is not there", encoded)
		}
	})
}

// encodeAnnotations encodes those of a descriptor as a referrer has them.
func encodeAnnotations(d oci.Descriptor) ([]byte, error) {
	value, _, err := encodeReferrer(index.Record{Manifest: index.Manifest{
		MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType, Annotations: d.Annotations,
	}})
	if err != nil {
		return nil, err
	}
	r, err := cutReferrer(value)
	return r.annotations, err
}

func encodeValid(text string) bool {
	return string([]rune(text)) == text
}

// TestTheSieveTakesWhatTheQueryMatches compares the search in what is encoded
// with the filters themselves, for annotations that look like JSON.
func TestTheSieveTakesWhatTheQueryMatches(t *testing.T) {
	check := func(t interface {
		Fatalf(format string, args ...any)
	}, key string, op index.Operator, value string, annotations map[string]string,
	) {
		d := oci.Descriptor{MediaType: "a/b", Digest: digest.FromString("x"), Size: 1, Annotations: annotations}
		encoded, err := encodeAnnotations(d)
		if err != nil {
			t.Fatalf("%v", err)
		}
		filter, err := index.NewAnnotationFilter(key, op, value)
		if err != nil {
			t.Fatalf("%v", err)
		}
		query := index.Query{Annotations: []index.AnnotationFilter{filter}, Order: index.Order{By: index.SortVersion}}
		s := newSieve(query)
		if got, err := s.takesAnnotations(encoded); err != nil || got != query.Matches(d) {
			t.Fatalf("%s: %s is %v, %v", encoded, filter, got, err)
		}
		if got, err := s.sortKey(entry{kept: kept{referrer: referrer{annotations: encoded}}}); err != nil || got != query.Order.Key(d, time.Time{}) {
			t.Fatalf("%s: version %q, %v", encoded, got, err)
		}
	}
	for _, key := range []string{",", ":", "}", "{", `"`, `\`} {
		for _, annotations := range []map[string]string{
			{"0": "v,", ":": "zz"}, {"0": "v,", ":": "zz", key: "y"}, {"0,": ":", "1{": ":,", "2": "{"}, {"a": "}", "}": ":"}, {key: ""}, nil,
		} {
			check(t, key, index.OpExists, "", annotations)
			check(t, key, index.OpEqual, "zz", annotations)
		}
	}
	text := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune("\",:{}[]\\av \n\u2028<é")), 0, 4, -1), rapid.String(),
		rapid.SampledFrom([]string{index.AnnotationVersion, "annotations", `,"annotations":{`, "1.2.3"}))
	rapid.Check(t, func(t *rapid.T) {
		annotations := rapid.MapOfN(text, text, 0, 5).Draw(t, "annotations")
		key := rapid.OneOf(text, rapid.SampledFrom([]string{",", ":", "}", ":,"})).Filter(func(s string) bool { return s != "" }).Draw(t, "key")
		op := rapid.SampledFrom([]index.Operator{index.OpExists, index.OpEqual, index.OpNotEqual}).Draw(t, "operator")
		check(t, key, op, text.Draw(t, "value"), annotations)
	})
}
