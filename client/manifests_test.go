package client

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

func TestPushKeptUnderAnotherDigest(t *testing.T) {
	body := artifact("pushed", digest.FromString("subject"))
	m, err := ParseManifest(oci.MediaTypeImageManifest, digest.SHA512.FromString(body), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		status int
		// called is what the registry calls it, want what is said of that.
		called digest.Digest
		want   string
	}{
		"found by both":    {http.StatusOK, digest.FromString(body), ""},
		"by its own alone": {http.StatusNotFound, m.Digest, ""},
		"by one alone":     {http.StatusNotFound, digest.FromString(body), "would not be found"},
		"unknown to it":    {http.StatusBadRequest, digest.FromString(body), "would not be found"},
		"not told":         {http.StatusUnauthorized, digest.FromString(body), "docker login"},
		"another":          {http.StatusOK, digest.SHA512.FromString("another"), "instead of"},
	} {
		t.Run(name, func(t *testing.T) {
			registry, repository := newRegistry(t)
			registry.HandleFunc("PUT /v2/app/manifests/v1", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Docker-Content-Digest", c.called.String())
				w.WriteHeader(http.StatusCreated)
			})
			registry.HandleFunc("HEAD /v2/app/manifests/"+m.Digest.String(), func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
			})
			_, err := repository.PutManifest(t.Context(), m, "v1", Condition{})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
