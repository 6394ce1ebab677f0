package upstream

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

func TestTargets(t *testing.T) {
	sum := digest.FromString("x").String()
	for path, want := range map[string]Target{
		"/v2/":                                 {},
		"/v2/_catalog":                         {},
		"/v2/app/tags/list":                    {EndpointTags, "app", ""},
		"/token":                               {},
		"/v2/app/manifests/v1":                 {EndpointManifests, "app", "v1"},
		"/v2/a/b/manifests/" + sum:             {EndpointManifests, "a/b", sum},
		"/v2/app/manifests/sha256:abc":         {},
		"/v2/APP/manifests/v1":                 {},
		"/v2/app/blobs/" + sum:                 {EndpointBlobs, "app", sum},
		"/v2/app/blobs/uploads/":               {EndpointUploads, "app", ""},
		"/v2/app/blobs/uploads":                {EndpointUploads, "app", ""},
		"/v2/app/blobs/uploads/0-1":            {EndpointUpload, "app", "0-1"},
		"/v2/app/blobs/uploads/manifests/v1":   {EndpointManifests, "app/blobs/uploads", "v1"},
		"/v2/manifests/manifests/v1":           {EndpointManifests, "manifests", "v1"},
		"/v2/app/referrers/" + sum:             {EndpointReferrers, "app", sum},
		"/v2/app/referrers/v1":                 {},
		"/v2/app/manifests/../../x/manifests/": {},
	} {
		if got := TargetOf(&http.Request{URL: &url.URL{Path: path}}); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

// What a path is read as leads back to it, and names nothing that is not valid.
func FuzzTarget(f *testing.F) {
	for _, path := range []string{
		"/v2/a/manifests/v1", "/v2/a/b/blobs/sha256:" + strings.Repeat("a", 64), "/v2/a/tags/list", "/v2/manifests/v1",
		"/v2/a/referrers/sha256:" + strings.Repeat("b", 64), "/v2/a/blobs/uploads/x", "/v2//manifests/v1", "/v2/a/tags/list/manifests/list",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := TargetOf(&http.Request{URL: &url.URL{Path: path}})
		if got.Endpoint == EndpointOther {
			return
		}
		words := map[Endpoint]string{EndpointManifests: "/manifests/", EndpointBlobs: "/blobs/", EndpointReferrers: "/referrers/", EndpointTags: "/tags/list",
			EndpointUploads: "/blobs/uploads", EndpointUpload: "/blobs/uploads/",
		}
		if again := "/v2/" + got.Repository + words[got.Endpoint] + got.Reference; again != path && again+"/" != path {
			t.Errorf("%q is read as %q", path, again)
		}
		_, digested := got.Digest()
		named := got.Endpoint == EndpointManifests || got.Endpoint == EndpointBlobs || got.Endpoint == EndpointReferrers
		if !oci.ValidRepository(got.Repository) || named && !digested && !oci.ValidTag(got.Reference) {
			t.Errorf("%q: %+v", path, got)
		}
	})
}
