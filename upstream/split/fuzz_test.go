package split

import (
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/oci"
)

// What a path is read as leads back to it, and names nothing that is not valid.
func FuzzTargetOf(f *testing.F) {
	for _, path := range []string{
		"/v2/a/manifests/v1", "/v2/a/b/blobs/sha256:" + strings.Repeat("a", 64), "/v2/a/tags/list", "/v2/manifests/v1",
		"/v2/a/referrers/sha256:" + strings.Repeat("b", 64), "/v2/a/blobs/uploads/x", "/v2//manifests/v1", "/v2/a/tags/list/manifests/list",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := targetOf(&http.Request{URL: &url.URL{Path: path}})
		if got.endpoint == endpointOther {
			return
		}
		words := map[endpoint]string{endpointManifests: "/manifests/", endpointBlobs: "/blobs/", endpointReferrers: "/referrers/", endpointTags: "/tags/list"}
		if again := "/v2/" + got.repository + words[got.endpoint] + got.reference; again != path {
			t.Errorf("%q is read as %q", path, again)
		}
		if !oci.ValidRepository(got.repository) || got.endpoint != endpointTags && !got.byDigest() && !oci.ValidTag(got.reference) {
			t.Errorf("%q: %+v", path, got)
		}
	})
}

// What a manifest names has a digest each, or it is not read.
func FuzzReadParts(f *testing.F) {
	f.Add([]byte(`{"config":{"digest":"sha256:` + strings.Repeat("a", 64) + `"},"subject":{"digest":"sha256:` + strings.Repeat("b", 64) + `"}}`))
	f.Add([]byte(`{"manifests":[{"digest":"x"}],"subject":null}`))
	f.Add([]byte(`{"layers":null,"blobs":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := readParts(body)
		if err != nil {
			return
		}
		for _, named := range append(p.blobs(), p.Manifests...) {
			if oci.CheckDigest(named.Digest) != nil {
				t.Errorf("%q names %q", body, named.Digest)
			}
		}
		if subject := p.subject(); subject != "" && oci.CheckDigest(subject) != nil {
			t.Errorf("%q has subject %q", body, subject)
		}
	})
}

// Pages of the tags of two registries, of which either sends all in no order, or in
// order from where it is asked to, are all of their tags once and in order.
func FuzzTagPages(f *testing.F) {
	f.Add("b d f", "a c e g", 2, true, false)
	f.Add("x", "x y", 1, false, false)
	f.Add("", "b a", 3, true, true)
	f.Fuzz(func(t *testing.T, own, there string, size int, ownOrdered, thereOrdered bool) {
		if size < 1 || size > 100 || len(own)+len(there) > 4000 {
			return
		}
		registry := func(text string, ordered bool) func(last string) iter.Seq2[string, error] {
			tags := strings.Fields(text)
			slices.Sort(tags)
			tags = slices.Compact(tags)
			if !ordered {
				slices.Reverse(tags)
			}
			return func(last string) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for _, tag := range tags {
						if (!ordered || tag > last) && !yield(tag, nil) {
							return
						}
					}
				}
			}
		}
		first, second := registry(own, ownOrdered), registry(there, thereOrdered)
		want := append(strings.Fields(own), strings.Fields(there)...)
		slices.Sort(want)
		want = slices.Compact(want)
		var got []string
		for page := (tagPage{size: size}); ; {
			a, _ := page.read(first(page.last))
			b, _ := page.read(second(page.last))
			tags, more := page.cut(a, b)
			if got = append(got, tags...); !more {
				break
			}
			if len(tags) != size {
				t.Fatalf("a page of %d, want %d", len(tags), size)
			}
			page.last = tags[len(tags)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	})
}
