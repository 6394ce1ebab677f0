package bolt

import (
	"testing"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// FuzzAnnotation checks that an annotation that is found in an encoded
// descriptor is the one that the descriptor has.
func FuzzAnnotation(f *testing.F) {
	f.Add("key", "value", "other", `,"key":"wrong"`, "a/b")
	f.Add("digest", "sha256:x", `x"digest`, "{", `a,"annotations":{`)
	f.Add(`\`, `\"`, `"`, `\\`, "")
	f.Add("k<&>", "\u2028 \x7f", "", "", "ключ")
	f.Fuzz(func(t *testing.T, key, value, otherKey, otherValue, artifactType string) {
		d := index.Descriptor{
			MediaType: "a/b", Digest: digest.FromString("x"), Size: 1, ArtifactType: artifactType,
			Annotations: map[string]string{otherKey: otherValue, key: value, "z": otherValue},
		}
		encoded, err := d.Encode()
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

func encodeValid(text string) bool {
	return string([]rune(text)) == text
}
