package shim_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream/shim"
)

func TestDeletes(t *testing.T) {
	blob := "/v2/app/blobs/" + digest.FromString("blob").String()
	manifest := "/v2/app/manifests/" + digest.FromString("manifest").String()
	failure := said{500, nil, "it broke"}
	for name, c := range map[string]struct {
		path         string
		answer, head said
		want         said
		questions    []string
	}{
		"missing":                  {blob, failure, said{status: 404}, said{404, nil, "BLOB_UNKNOWN"}, []string{"HEAD " + blob}},
		"there, and not deleted":   {blob, failure, said{status: 200}, failure, []string{"HEAD " + blob}},
		"who may not ask":          {blob, failure, said{status: 401}, failure, []string{"HEAD " + blob}},
		"who gets no answer":       {blob, failure, said{status: 503}, failure, []string{"HEAD " + blob}},
		"deleted":                  {blob, said{status: 202}, said{}, said{status: 202}, nil},
		"missing, as it should be": {blob, said{404, nil, "no blob"}, said{}, said{404, nil, "no blob"}, nil},
		"a manifest":               {manifest, failure, said{}, failure, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLacking(t, shim.Options{Deletes: true}, map[string]said{"DELETE " + c.path: c.answer, "HEAD " + c.path: c.head})
			if got := l.send(t, "DELETE", c.path, "", nil); !got.is(c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
			l.wantSeen(t, append([]string{"DELETE " + c.path}, c.questions...)...)
		})
	}
}
