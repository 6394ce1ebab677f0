package oci

import (
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestCosignTags(t *testing.T) {
	subject := digest.FromString("image")
	begin := "sha256-" + subject.Encoded()
	tags := CosignTags(subject)
	if want := []string{begin + ".sig", begin + ".att", begin + ".sbom"}; !reflect.DeepEqual(tags, want) {
		t.Fatalf("got %v, want %v", tags, want)
	}
	for _, tag := range tags {
		named, suffix := CosignTagOf(tag)
		if named != subject || begin+"."+suffix != tag || !IsCosignTag(tag) {
			t.Errorf("%s: %s %q", tag, named, suffix)
		}
	}
	if tags := CosignTags(digest.SHA512.FromString("image")); len(tags) > 0 {
		t.Errorf("of a digest that cosign doesn't know: %v", tags)
	}
	for _, tag := range []string{"", "v1.sig", begin, begin + ".", begin + ".sig.sig", begin + ".referrer", begin[1:] + ".sig",
		strings.ToUpper(begin) + ".sig", "sha512-" + strings.Repeat("a", 64) + ".sig"} {
		if named, suffix := CosignTagOf(tag); named != "" || suffix != "" || IsCosignTag(tag) {
			t.Errorf("%q is taken for one", tag)
		}
	}
}
