package transfer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

func TestResolveLayout(t *testing.T) {
	l := newLayout(t)
	image := l.artifact("image", "", nil)
	other := l.artifact("other", "", nil)
	sbom := l.artifact("sbom", "", &image)
	signature := l.artifact("signature", "", &sbom)
	tag := oci.ReferrersTag(image.Digest)
	list := l.list(sbom)
	for name, c := range map[string]struct {
		entries []ocispec.Descriptor
		at      string
		want    digest.Digest
		// called is the name that goes along, says what the error says.
		called, says string
	}{
		"the only one":            {[]ocispec.Descriptor{named(image, "v1")}, "", image.Digest, "v1", ""},
		"without name":            {[]ocispec.Descriptor{image}, "", image.Digest, "", ""},
		"twice, once with a name": {[]ocispec.Descriptor{image, named(image, "v1")}, "", image.Digest, "v1", ""},
		"with a referrer":         {[]ocispec.Descriptor{named(image, "v1"), named(sbom, tag)}, "", image.Digest, "v1", ""},
		"by tag":                  {[]ocispec.Descriptor{named(image, "v1"), named(other, "v2")}, ":v2", other.Digest, "v2", ""},
		"by digest":               {[]ocispec.Descriptor{named(image, "v1"), named(other, "v2")}, "@" + other.Digest.String(), other.Digest, "", ""},
		"a referrer alone":        {[]ocispec.Descriptor{named(sbom, tag)}, "", sbom.Digest, "", ""},
		"a referrer with a tag":   {[]ocispec.Descriptor{named(sbom, "sbom"), named(sbom, tag)}, "", sbom.Digest, "sbom", ""},
		"with one of its own":     {[]ocispec.Descriptor{named(sbom, tag), signature}, "", sbom.Digest, "", ""},
		"with a list":             {[]ocispec.Descriptor{named(image, "v1"), named(list, tag), named(sbom, tag)}, "", image.Digest, "v1", ""},
		"by its own digest":       {[]ocispec.Descriptor{named(image, tag)}, "", image.Digest, tag, ""},
		"another's name":          {[]ocispec.Descriptor{named(other, tag)}, "", other.Digest, tag, ""},
		"two":                     {[]ocispec.Descriptor{named(image, "v1"), named(other, "v2")}, "", "", "", ":v1, :v2"},
		"two without name":        {[]ocispec.Descriptor{image, other}, "", "", "", "@" + other.Digest.String()},
		"a name that is no tag":   {[]ocispec.Descriptor{named(image, "a/b:1"), named(other, "v2")}, "", "", "", ":v2, @" + image.Digest.String() + " (a/b:1)"},
		"no such tag":             {[]ocispec.Descriptor{named(image, "v1")}, ":v3", "", "", ":v1"},
		"nothing":                 {nil, "", "", "", "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			l.index(c.entries...)
			location, err := ParseLocation("oci:" + l.root + c.at)
			if err != nil {
				t.Fatal(err)
			}
			source, err := openLayoutSource(t.Context(), location)
			if err != nil {
				t.Fatal(err)
			}
			m, called, err := source.Resolve(t.Context())
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s %v, want %s", m.Digest, err, c.says)
				}
				return
			}
			if err != nil || m.Digest != c.want || called != c.called {
				t.Errorf("%s called %q, %v", m.Digest, called, err)
			}
		})
	}
}

// oc-mirror tags images with their own digests.
func TestAnImageUnderItsOwnDigestKeepsItsName(t *testing.T) {
	l := newLayout(t)
	image := l.artifact("image", "", nil)
	tag := oci.ReferrersTag(image.Digest)
	sbom := l.artifact("sbom", tag, &image)
	l.index(named(image, tag), sbom)
	target := filepath.Join(t.TempDir(), "target")
	for range 2 {
		wantCopied(t, "oci:"+l.root+"@"+image.Digest.String()+"", "oci:"+target+":"+tag)
	}
	body, err := os.ReadFile(filepath.Join(target, ocispec.ImageIndexFile))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := readEntries(body)
	if err != nil {
		t.Fatal(err)
	}
	var named []digest.Digest
	for _, entry := range entries {
		if refName(entry) == tag {
			named = append(named, entry.Digest)
		}
	}
	// The image, the list of its referrers, and the referrer.
	if len(named) != 3 || !slices.Contains(named, image.Digest) || !slices.Contains(named, sbom.Digest) {
		t.Errorf("%s names %v", tag, named)
	}
}

func TestAReferrerAloneComesBack(t *testing.T) {
	l := newLayout(t)
	image := l.artifact("image", "", nil)
	sbom := l.artifact("sbom", "sbom", &image)
	l.index(sbom)
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	wantCopied(t, "oci:"+l.root+"@"+sbom.Digest.String(), "oci:"+first)
	wantCopied(t, "oci:"+first, "oci:"+second)
}

func TestChooseTag(t *testing.T) {
	registry := func(tag string, sum digest.Digest) Location {
		return Location{Reference: client.Reference{Host: "localhost", Repository: "app"}, Tag: tag, Digest: sum}
	}
	folder := Location{Kind: Layout, Path: "dir"}
	byDigest := Location{Kind: Layout, Path: "dir", Digest: sum}
	for name, c := range map[string]struct {
		source, target Location
		tag, want      string
		fails          bool
	}{
		"the target's":                {folder, registry("v2", ""), "v1", "v2", false},
		"the source's":                {folder, registry("", ""), "v1", "v1", false},
		"the target's digest":         {folder, registry("", sum), "v1", "", false},
		"none":                        {folder, registry("", ""), "", "", true},
		"none, as it was asked for":   {byDigest, registry("", ""), "", "", false},
		"none between layouts":        {folder, folder, "", "", false},
		"one that is no tag":          {folder, registry("", ""), "docker.io/app:v1", "", true},
		"such a one between layouts":  {folder, folder, "docker.io/app:v1", "docker.io/app:v1", false},
		"such a one with another tag": {folder, registry("v1", ""), "docker.io/app:v1", "v1", false},
	} {
		got, err := chooseTag(Request{Source: c.source, Target: c.target}, client.Manifest{Manifest: index.Manifest{Digest: sum}}, c.tag)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
