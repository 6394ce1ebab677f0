package proxy

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/backref/backref/oci"
)

const (
	someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	longDigest = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
		"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
)

func TestPathsOfTheSpecification(t *testing.T) {
	for _, c := range []struct {
		raw        string
		endpoint   endpoint
		repository string
		reference  string
	}{
		{"/v2/", endpointBase, "", ""},
		{"/v2", endpointBase, "", ""},
		{"/v2/_catalog", endpointCatalog, "", ""},
		{"/v2/a/manifests/latest", endpointManifests, "a", "latest"},
		{"/v2/a/manifests/" + someDigest, endpointManifests, "a", someDigest},
		{"/v2/a/manifests/" + longDigest, endpointManifests, "a", longDigest},
		{"/v2/a/manifests/" + strings.Replace(someDigest, ":", "%3A", 1), endpointManifests, "a", someDigest},
		{"/v2/a/b-c/d.e/f__g/tags/list", endpointTags, "a/b-c/d.e/f__g", ""},
		{"/v2/a---b/tags/list", endpointTags, "a---b", ""},
		{"/v2/a/blobs/" + someDigest, endpointBlobs, "a", someDigest},
		{"/v2/a/blobs/uploads/", endpointUploads, "a", ""},
		{"/v2/a/blobs/uploads", endpointUploads, "a", ""},
		{"/v2/a/blobs/uploads/0123-xyz", endpointUploads, "a", ""},
		{"/v2/a/referrers/" + someDigest, endpointReferrers, "a", someDigest},

		// Repositories named like endpoints.
		{"/v2/a/blobs/uploads/manifests/latest", endpointManifests, "a/blobs/uploads", "latest"},
		{"/v2/manifests/manifests/manifests", endpointManifests, "manifests", "manifests"},
		{"/v2/a/manifests/blobs/uploads/x", endpointUploads, "a/manifests", ""},
		{"/v2/a/referrers/blobs/" + someDigest, endpointBlobs, "a/referrers", someDigest},
		{"/v2/a/manifests/referrers/" + someDigest, endpointReferrers, "a/manifests", someDigest},
		{"/v2/tags/list/tags/list", endpointTags, "tags/list", ""},
		{"/v2/blobs/uploads/blobs/uploads/", endpointUploads, "blobs/uploads", ""},

		// Extensions.
		{"/v2/a/b/_backref/graph/referrers", endpointGraphReferrers, "a/b", ""},
		{"/v2/a/_backref/graph/parents", endpointGraphParents, "a", ""},
		{"/v2/a/_backref/graph/tree", endpointGraphTree, "a", ""},
		{"/v2/a/_backref/catalog/artifacts", endpointCatalogArtifacts, "a", ""},
		{"/v2/a/_backref/notices/feed", endpointNoticesFeed, "a", ""},
		{"/v2/a/_backref/catalog/tags", endpointCatalogTags, "a", ""},
		{"/v2/_oci/ext/discover", endpointDiscovery, "", ""},
		{"/v2/a/b/_oci/ext/discover", endpointDiscovery, "a/b", ""},
		{"/v2/_backref/graph/tree", endpointOther, "", ""},
		{"/v2/a/_backref/graph/other", endpointOther, "", ""},
		{"/v2/a/_zot/ext/search", endpointOther, "", ""},

		// What registries have beside the specification.
		{"/", endpointOther, "", ""},
		{"/token", endpointOther, "", ""},
		{"/service/token", endpointOther, "", ""},
		{"/v2/token", endpointOther, "", ""},
		{"/v2/a/blobs/upload/0123/part", endpointOther, "", ""},
		{"/artifacts-uploads/namespaces/x/uploads/y", endpointOther, "", ""},
	} {
		t.Run(c.raw, func(t *testing.T) {
			got, err := parsePath(mustURL(t, c.raw))
			if err != nil {
				t.Fatal(err)
			}
			reference := referenceOf(got)
			if got.endpoint != c.endpoint || got.repository != c.repository || reference != c.reference {
				t.Errorf("got %s %q %q, want %s %q %q", got.endpoint, got.repository, reference, c.endpoint, c.repository, c.reference)
			}
		})
	}
}

func TestRefusedPaths(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want error
	}{
		{"/v2/A/manifests/latest", errRepository},
		{"/v2/a_/manifests/latest", errRepository},
		{"/v2/a___b/manifests/latest", errRepository},
		{"/v2/a..b/manifests/latest", errRepository},
		{"/v2/a.-b/tags/list", errRepository},
		{"/v2/ä/tags/list", errRepository},
		{"/v2/" + strings.Repeat("a", 256) + "/tags/list", errRepository},
		{"/v2/a/manifests/.hidden", errTag},
		{"/v2/a/manifests/" + strings.Repeat("t", 129), errTag},
		{"/v2/a/manifests/", errTag},
		{"/v2/a/manifests/sha256:baddigeststring", errDigest},
		{"/v2/a/manifests/" + strings.ToUpper(someDigest[7:]) + ":", errDigest},
		{"/v2/a/manifests/sha256:" + strings.ToUpper(someDigest[7:]), errDigest},
		{"/v2/a/referrers/latest", errDigest},
		{"/v2/a/referrers/", errDigest},
		{"/v2/a/referrers/" + someDigest + "0", errDigest},
		{"/v2/a/referrers/md5:d41d8cd98f00b204e9800998ecf8427e", errDigest},
		{"/v2/a/blobs/x", errDigest},
		{"/v2//a/manifests/latest", errPath},
		{"/v2/a/../b/manifests/latest", errPath},
		{"/v2/a/%2e%2e/b/manifests/latest", errPath},
		{"/v2/a%2Fb/manifests/latest", errPath},
		{"/v2/a/manifests/x%00", errPath},
		{"/v2/a%252Fb/manifests/latest", errPath},
		{`/v2/a/manifests/x%5Cy`, errPath},
		{"/v2/_catalog?n=1 2", errPath},
		{"/v2/_catalog?n=1#2", errPath},
		{"/v2/_catalog?last=\u00e9", errPath},
		{"/token?scope=repository:a:pull HTTP/1.1", errPath},
	} {
		t.Run(c.raw, func(t *testing.T) {
			if got, err := parsePath(mustURL(t, c.raw)); !errors.Is(err, c.want) {
				t.Errorf("got %+v, %v, want error %v", got, err, c.want)
			}
		})
	}
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// FuzzParsePath checks that what is accepted is valid and stands in the path
// as it is: nothing is normalized on the way.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"/v2/", "/v2/_catalog", "/v2/a/b/manifests/latest", "/v2/a/manifests/" + someDigest,
		"/v2/_catalog?n=1 2", "/v2/_catalog?n=1#x", "/v2/_catalog?n=\xff", "/v2/_catalog?last=a+b%20c&n=[1]", "/token a#b", "/token/\u00e9",
		"/v2/a/referrers/" + someDigest, "/v2/a/blobs/uploads/x", "/v2/a/%2e%2e/b/tags/list", "//", "/v2/%", "*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Skip()
		}
		got, err := parsePath(u)
		if err != nil {
			return
		}
		if got.repository != "" && (!oci.ValidRepository(got.repository) || !strings.Contains(u.Path, "/"+got.repository+"/")) {
			t.Errorf("%q: repository %q", raw, got.repository)
		}
		if got.tag != "" && (!oci.ValidTag(got.tag) || !strings.HasSuffix(u.Path, "/"+got.tag)) {
			t.Errorf("%q: tag %q", raw, got.tag)
		}
		if got.digest != "" && (got.digest.Validate() != nil || !strings.HasSuffix(u.Path, "/"+got.digest.String())) {
			t.Errorf("%q: digest %q", raw, got.digest)
		}
		// What is sent on is one word, and means the same.
		sent := (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).RequestURI()
		again, err := url.ParseRequestURI(sent)
		if err != nil || again.Path != u.Path || again.RawQuery != u.RawQuery ||
			strings.ContainsFunc(sent, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }) {
			t.Errorf("%q is sent as %q, %v", raw, sent, err)
		}
		for segment := range strings.SplitSeq(u.Path, "/") {
			if segment == ".." || segment == "." {
				t.Errorf("%q: dot segment accepted", raw)
			}
		}
	})
}

// referenceOf returns the tag or digest as the path has it.
func referenceOf(p path) string {
	if p.tag != "" {
		return p.tag
	}
	return p.digest.String()
}

func BenchmarkParsePath(b *testing.B) {
	sum := someDigest
	for _, rest := range []string{"manifests/latest", "manifests/" + sum, "referrers/" + sum, "blobs/" + sum} {
		name, _, _ := strings.Cut(rest, ":")
		b.Run(name, func(b *testing.B) {
			u := &url.URL{Path: "/v2/library/benchmark/" + rest}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parsePath(u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
