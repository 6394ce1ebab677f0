package shim_test

import (
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream/shim"
)

func TestLocations(t *testing.T) {
	blob := digest.FromString("blob").String()
	blob512 := digest.SHA512.FromString("blob").String()
	created := said{status: http.StatusCreated}
	located := func(at string) said { return said{http.StatusCreated, map[string]string{"Location": at}, ""} }
	for name, c := range map[string]struct {
		method, path, query string
		answer              said
		want                string
	}{
		"blob at once":             {"POST", "/v2/a/b/blobs/uploads/", "?digest=" + blob, created, "/v2/a/b/blobs/" + blob},
		"end of an upload":         {"PUT", "/v2/a/b/blobs/uploads/17", "?state=x&digest=" + blob512, created, "/v2/a/b/blobs/" + blob512},
		"mount":                    {"POST", "/v2/app/blobs/uploads/", "?from=b&mount=" + blob, created, "/v2/app/blobs/" + blob},
		"manifest by tag":          {"PUT", "/v2/app/manifests/v1", "", created, "/v2/app/manifests/v1"},
		"manifest by digest":       {"PUT", "/v2/app/manifests/" + blob, "", created, "/v2/app/manifests/" + blob},
		"what the registry says":   {"PUT", "/v2/app/manifests/v1", "", located("/elsewhere"), "/elsewhere"},
		"upload of no repository":  {"PUT", "/uploads/17", "?digest=" + blob, created, ""},
		"no digest":                {"PUT", "/v2/app/blobs/uploads/17", "?digest=sha256:x", created, ""},
		"begin of an upload":       {"POST", "/v2/app/blobs/uploads/", "", said{status: http.StatusAccepted}, ""},
		"mount that is none":       {"POST", "/v2/app/blobs/uploads/", "?mount=" + blob, said{status: http.StatusAccepted}, ""},
		"manifest that is refused": {"PUT", "/v2/app/manifests/v1", "", said{status: http.StatusBadRequest}, ""},
		"what is no push":          {"GET", "/v2/app/manifests/v1", "", created, ""},
		"repository that can't be": {"PUT", "/v2/APP/manifests/v1", "", created, ""},
		"repository named uploads": {"PUT", "/v2/blobs/uploads/manifests/v1", "", created, "/v2/blobs/uploads/manifests/v1"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLacking(t, shim.Options{Locations: true}, map[string]said{c.method + " " + c.path: c.answer})
			got := l.send(t, c.method, c.path+c.query, "", nil, "Location")
			if got.status != c.answer.status || got.header["Location"] != c.want {
				t.Errorf("%d, Location %q, not %q", got.status, got.header["Location"], c.want)
			}
			l.wantSeen(t, c.method+" "+c.path)
		})
	}
}
