package shim_test

import (
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream/shim"
)

func TestAsked(t *testing.T) {
	const body = `{"schemaVersion":2}`
	own, named, other := digest.FromString(body), digest.SHA512.FromString(body), digest.SHA512.FromString("other")
	stated := func(status int, d digest.Digest) said {
		return said{status, map[string]string{"Docker-Content-Digest": d.String()}, ""}
	}
	at := func(d digest.Digest) string { return "/v2/app/manifests/" + d.String() }
	for name, c := range map[string]struct {
		method    string
		path      string
		answers   map[string]said
		want      digest.Digest
		questions []string
	}{
		"get":                 {"GET", at(named), map[string]said{"GET " + at(named): stated(200, own)}, named, nil},
		"head":                {"HEAD", at(named), map[string]said{"HEAD " + at(named): stated(200, own)}, named, nil},
		"as it should be":     {"HEAD", at(named), map[string]said{"HEAD " + at(named): stated(200, named)}, named, nil},
		"another manifest":    {"HEAD", at(named), map[string]said{"HEAD " + at(named): stated(200, other)}, other, nil},
		"by its own digest":   {"HEAD", at(own), map[string]said{"HEAD " + at(own): stated(200, own)}, own, nil},
		"by a tag":            {"HEAD", "/v2/app/manifests/v1", map[string]said{"HEAD /v2/app/manifests/v1": stated(200, own)}, own, nil},
		"missing":             {"HEAD", at(named), map[string]said{"HEAD " + at(named): stated(404, own)}, own, nil},
		"push":                {"PUT", at(named), map[string]said{"PUT " + at(named): stated(201, own), "HEAD " + at(named): stated(200, own)}, named, []string{"HEAD " + at(named)}},
		"push that is right":  {"PUT", at(named), map[string]said{"PUT " + at(named): stated(201, named)}, named, nil},
		"push of another":     {"PUT", at(other), map[string]said{"PUT " + at(other): stated(201, own)}, own, nil},
		"kept by its own one": {"PUT", at(named), map[string]said{"PUT " + at(named): stated(201, own)}, own, []string{"HEAD " + at(named)}},
		"push that fails":     {"PUT", at(named), map[string]said{"PUT " + at(named): stated(400, own)}, own, nil},
		"push by a tag":       {"PUT", "/v2/app/manifests/v1", map[string]said{"PUT /v2/app/manifests/v1": stated(201, own)}, own, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLacking(t, shim.Options{Asked: true}, c.answers)
			var sent string
			if c.method == http.MethodPut {
				sent = body
			}
			got := l.send(t, c.method, c.path, sent, nil, "Docker-Content-Digest")
			if is := got.header["Docker-Content-Digest"]; is != c.want.String() {
				t.Errorf("%d of %s, not %s", got.status, is, c.want)
			}
			l.wantSeen(t, append([]string{c.method + " " + c.path}, c.questions...)...)
		})
	}
}
