package coverage_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
)

func parse(t *testing.T, text string) coverage.Requirement {
	t.Helper()
	r, err := coverage.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each form of a requirement wants what it says.
func TestParse(t *testing.T) {
	const slsa = "https://slsa.dev/provenance/v1"
	of := func(artifactType, predicate string) coverage.Artifact {
		a := coverage.Artifact{ArtifactType: artifactType, Kind: artifact.KindOf(oci.Descriptor{ArtifactType: artifactType})}
		if predicate != "" {
			a.Kind = artifact.KindOfPredicate(predicate)
		}
		return a
	}
	mixed := of("application/vnd.in-toto+json", "")
	mixed.Predicates = []string{"https://spdx.dev/Document", slsa}
	for _, c := range []struct {
		text string
		a    coverage.Artifact
		want bool
	}{
		{"signature", of("application/vnd.cncf.notary.signature", ""), true},
		{"signature", of("application/spdx+json", ""), false},
		{"sbom", of("application/spdx+json", ""), true},
		{"sbom@each", of("application/vnd.in-toto+json", "https://spdx.dev/Document"), true},
		{"attestation", of("application/vnd.in-toto+json", slsa), true},
		{"attestation:https://slsa.dev/*", of("application/vnd.in-toto+json", slsa), true},
		{"attestation:https://slsa.dev/*", of("application/vnd.in-toto+json", ""), false},
		{"attestation:https://slsa.dev/*", mixed, true},
		{"attestation:https://slsa.dev/*@linux/amd64", of("application/vnd.in-toto+json", "https://spdx.dev/Document"), false},
		{"application/*spdx*", of("application/spdx+json", ""), true},
		{"*", of("", ""), true},
	} {
		if got := parse(t, c.text).Matches(c.a); got != c.want {
			t.Errorf("%s of %s %v: %t", c.text, c.a.ArtifactType, c.a.Kind, got)
		}
	}
	for _, text := range []string{
		"", "other", "signatures", "attestation:", "sbom@", "sbom@linux", "sbom@linux/amd64,", "sbom@Linux/amd64", "sbom@linux/arm/v7/x", "a b/c",
		"signature@each,linux/amd64", "application/\x00", strings.Repeat("a/", 600),
	} {
		if r, err := coverage.Parse(text); err == nil {
			t.Errorf("%q is read as %s", text, r)
		}
	}
}

// Platforms without a variant mean any, and each means all, also unknown ones.
func TestPlatforms(t *testing.T) {
	for _, c := range []struct {
		text, platform string
		want           bool
	}{
		{"sbom@each", "", true},
		{"sbom@linux/arm64", "linux/arm64", true},
		{"sbom@linux/arm64", "linux/arm64/v8", true},
		{"sbom@linux/arm/v7", "linux/arm/v6", false},
		{"sbom@linux/amd64,linux/arm", "linux/arm/v7", true},
		{"sbom@linux/amd64", "", false},
		{"sbom", "linux/amd64", false},
	} {
		if got := parse(t, c.text).Platforms().Has(c.platform); got != c.want {
			t.Errorf("%s of %q: %t", c.text, c.platform, got)
		}
	}
}

// What is wanted twice is judged once, and nothing is no question.
func TestParseAll(t *testing.T) {
	all, err := coverage.ParseAll([]string{"sbom", "signature", "sbom"})
	if err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	many := make([]string, coverage.MaxRequirements+1)
	for i := range many {
		many[i] = "a/" + strings.Repeat("b", i)
	}
	for what, texts := range map[string][]string{"none": nil, "too many": many, "a bad one": {"sbom", "sbox"}} {
		if _, err := coverage.ParseAll(texts); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// FuzzParse checks that what is read is what was written, and stands for something.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"signature", "sbom@each", "attestation:https://slsa.dev/*@linux/amd64,linux/arm/v7", "application/vnd.*+json", "@", "a/@each@each", "attestation:@each",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := coverage.Parse(text)
		if err != nil {
			return
		}
		again, err := coverage.Parse(r.String())
		if err != nil || r.String() != text || !slices.Equal(again.Platforms().Names(), r.Platforms().Names()) {
			t.Fatalf("%q is %q, %v", text, r, err)
		}
		for _, name := range r.Platforms().Names() {
			if !r.Platforms().Has(name) || strings.ContainsAny(name, "@, ") {
				t.Fatalf("%q has the platform %q", text, name)
			}
		}
		r.Matches(coverage.Artifact{ArtifactType: text})
	})
}
