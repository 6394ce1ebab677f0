package oci_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

func TestReferrersTag(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 8)
	for subject, want := range map[digest.Digest]string{
		digest.Digest("sha256:" + hex[:64]):                               "sha256-" + hex[:64],
		digest.Digest("sha384:" + hex[:96]):                               "sha384-" + hex[:64],
		digest.Digest("sha512:" + hex):                                    "sha512-" + hex[:64],
		digest.Digest("an-algorithm-with-a-very-long-name-indeed:" + hex): "an-algorithm-with-a-very-long-na-" + hex[:64],
		"short:abc": "short-abc",
	} {
		if got := oci.ReferrersTag(subject); got != want {
			t.Errorf("%s: got %s, want %s", subject, got, want)
		}
	}
}

func TestIsReferrersTag(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 8)
	for tag, want := range map[string]bool{
		"sha256-" + hex[:64]:                  true,
		"sha384-" + hex[:64]:                  true,
		"sha512-" + hex[:64]:                  true,
		"sha256-" + hex[:63]:                  false,
		"sha256-" + hex[:65]:                  false,
		"sha512-" + hex:                       false,
		"sha256-" + hex[:64] + ".sig":         false,
		"sha256-" + hex[:63] + "g":            false,
		"sha256-" + strings.ToUpper(hex[:64]): false,
		"md5-" + hex[:32]:                     false,
		"sha256:" + hex[:64]:                  false,
		"sha256-":                             false,
		"-" + hex[:64]:                        false,
		"latest":                              false,
		"":                                    false,
	} {
		if got := oci.IsReferrersTag(tag); got != want {
			t.Errorf("%s: got %t, want %t", tag, got, want)
		}
	}
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512} {
		if tag := oci.ReferrersTag(algorithm.FromString("subject")); !oci.IsReferrersTag(tag) {
			t.Errorf("%s is not recognized", tag)
		}
	}
}

func TestHiddenTag(t *testing.T) {
	tag := oci.HiddenTag(digest.SHA512.FromString("referrer"))
	if len(tag) > 128 || !oci.IsHiddenTag(tag) || oci.IsReferrersTag(tag) {
		t.Errorf("hidden tag %q", tag)
	}
	for _, other := range []string{"", ".referrer", "v1.referrer", "sha256-.referrer", oci.ReferrersTag(digest.FromString("x"))} {
		if oci.IsHiddenTag(other) {
			t.Errorf("%q is taken for a hidden tag", other)
		}
	}
}
