package shim

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestTargets(t *testing.T) {
	sum := digest.FromString("x").String()
	for path, want := range map[string]target{
		"/v2/":                                 {},
		"/v2/_catalog":                         {},
		"/v2/app/tags/list":                    {},
		"/token":                               {},
		"/v2/app/manifests/v1":                 {endpointManifests, "app", "v1"},
		"/v2/a/b/manifests/" + sum:             {endpointManifests, "a/b", sum},
		"/v2/app/manifests/sha256:abc":         {},
		"/v2/APP/manifests/v1":                 {},
		"/v2/app/blobs/" + sum:                 {endpointBlobs, "app", sum},
		"/v2/app/blobs/uploads/":               {endpointUploads, "app", ""},
		"/v2/app/blobs/uploads":                {endpointUploads, "app", ""},
		"/v2/app/blobs/uploads/0-1":            {endpointUpload, "app", "0-1"},
		"/v2/app/blobs/uploads/manifests/v1":   {endpointManifests, "app/blobs/uploads", "v1"},
		"/v2/manifests/manifests/v1":           {endpointManifests, "manifests", "v1"},
		"/v2/app/referrers/" + sum:             {},
		"/v2/app/manifests/../../x/manifests/": {},
	} {
		if got := targetOf(&http.Request{URL: &url.URL{Path: path}}); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("/v2/app/manifests/v1")
	f.Add("/v2/app/blobs/uploads/1")
	f.Fuzz(func(t *testing.T, path string) {
		got := targetOf(&http.Request{URL: &url.URL{Path: path}})
		if got.endpoint != endpointOther && got.repository == "" {
			t.Errorf("%q is about no repository", path)
		}
	})
}

func TestRangesOfUploads(t *testing.T) {
	for header, want := range map[string]int64{"0-1023": 0, "1024-2047": 1024, "bytes 5-6/*": 5, "bytes 7-8/100": 7, "": -1, "x-1": -1, "-1": -1, "12": -1} {
		if got, ok := beginOf(header); ok != (want >= 0) || ok && got != want {
			t.Errorf("Content-Range %q begins at %d, %t; want %d", header, got, ok, want)
		}
	}
	for header, want := range map[string]int64{"0-1023": 1024, "bytes=0-9": 10, "0-0": 1, "5-9": -1, "": -1, "0-": -1, "0--1": -1} {
		if got, ok := endOf(header); ok != (want >= 0) || ok && got != want {
			t.Errorf("Range %q ends at %d, %t; want %d", header, got, ok, want)
		}
	}
}
