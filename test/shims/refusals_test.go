package shims

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// refusal is a push that a registry is right to refuse.
type refusal struct {
	name, reference, mediaType string
	body                       []byte
}

// refusals are those of manifests that lack something, or are none.
func refusals() []refusal {
	image := rig.Image("app")
	noBlob := rig.Artifact("application/vnd.example.x", "no blob", image.Descriptor())
	noBlob.Layers = &[]rig.Descriptor{{MediaType: rig.EmptyConfig, Digest: digest.FromString("missing"), Size: 7}}
	noChild := rig.Index(rig.Image("missing").Descriptor())
	subject := image.Descriptor()
	noChild.Subject = &subject
	var all []refusal
	for _, m := range []struct {
		name string
		rig.Manifest
	}{{"missing blob", noBlob}, {"missing child", noChild}} {
		for _, reference := range []string{"tag", m.Digest().String()} {
			all = append(all, refusal{m.name, reference, m.MediaType, m.Bytes()})
		}
	}
	return append(all,
		refusal{"no manifest", "tag", rig.ImageManifest, []byte(`{"schemaVersion":2,"hello":"world"}`)},
		refusal{"no digest", "tag", rig.ImageManifest, []byte(`{"schemaVersion":2,"mediaType":"` + rig.ImageManifest + `","config":{"digest":"none"},"layers":[]}`)},
	)
}

// A refusal that is right stays what it is, and nothing is kept.
func TestRefusalsStay(t *testing.T) {
	t.Parallel()
	fronts := map[string]func(t *testing.T) front{
		"Docker's types": func(t *testing.T) front { return dockerTypesOnly(t, rig.Distribution2) },
		"registry2":      func(t *testing.T) front { return newFront(t, rig.Distribution2, nil) },
		"registry3":      func(t *testing.T) front { return newFront(t, rig.Distribution3, nil) },
		"docker27":       func(t *testing.T) front { return newDocker27Front(t) },
		"no OCI index": func(t *testing.T) front {
			return newFront(t, rig.Distribution3, []rig.Refusal{rig.OCIIndexes(http.StatusBadRequest)})
		},
		"docker27, Docker's types": func(t *testing.T) front { return newDocker27Front(t, rig.DockerTypesOnly(http.StatusNotFound)) },
	}
	for name, start := range fronts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			rig.PushBlob(t, f.backref.URL, repository, rig.Empty)
			for _, r := range refusals() {
				t.Run(r.name, func(t *testing.T) { f.wantRefused(t, r) })
			}
			// What is of another digest, and what is no JSON, the registry does not even see.
			other := rig.Image("other")
			reply := rig.Do(t, http.MethodPut, f.backref.URL+"/v2/"+repository+"/manifests/"+rig.Image("app").Digest().String(), other.Bytes(), "Content-Type", other.MediaType)
			if reply.Status != http.StatusBadRequest || !strings.Contains(string(reply.Body), `"DIGEST_INVALID"`) {
				t.Errorf("other digest: %d %s", reply.Status, reply.Body)
			}
			reply = rig.Do(t, http.MethodPut, f.backref.URL+"/v2/"+repository+"/manifests/tag", []byte(`{"schemaVersion":2,`), "Content-Type", rig.ImageManifest)
			if reply.Status != http.StatusBadRequest || !strings.Contains(string(reply.Body), `"MANIFEST_INVALID"`) {
				t.Errorf("no JSON: %d %s", reply.Status, reply.Body)
			}
		})
	}
}

// wantRefused makes sure that a push is refused as by the registry, and leaves nothing.
func (f front) wantRefused(t *testing.T, r refusal) {
	t.Helper()
	put := func(base string) rig.Reply {
		return rig.Do(t, http.MethodPut, base+"/v2/"+repository+"/manifests/"+r.reference, r.body, "Content-Type", r.mediaType)
	}
	want, got := put(f.strict), put(f.backref.URL)
	if want.Status < 400 {
		t.Fatalf("the registry answers %d", want.Status)
	}
	if got.Status != want.Status || !bytes.Equal(got.Body, want.Body) {
		t.Errorf("refused with %d %s, and by the registry with %d %s", got.Status, got.Body, want.Status, want.Body)
	}
	for _, name := range []string{"Content-Type", "Www-Authenticate", "Retry-After", "Oci-Subject"} {
		if got.Header.Get(name) != want.Header.Get(name) {
			t.Errorf("%s %q, and of the registry %q", name, got.Header.Get(name), want.Header.Get(name))
		}
	}
	list := rig.Do(t, http.MethodGet, f.direct+"/v2/"+repository+"/tags/list", nil)
	if list.Status == http.StatusOK && strings.Contains(string(list.Body), "sha256-") {
		t.Errorf("tags %s", list.Body)
	}
}

// Who may not push, or not now, or not here, is told so as ever.
func TestRefusalsOfWhoPushesStay(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution3)
	rig.PushBlob(t, registry.URL, repository, rig.Empty)
	image := rig.Image("app")
	m := rig.Artifact("application/vnd.example.x", "x", image.Descriptor())
	for name, c := range map[string]struct {
		status int
		header [2]string
		body   string
		// all says that nothing can be written.
		all bool
	}{
		"unauthorized": {http.StatusUnauthorized, [2]string{"Www-Authenticate", `Basic realm="registry"`}, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, false},
		"denied":       {http.StatusForbidden, [2]string{}, `{"errors":[{"code":"DENIED","message":"no"}]}`, false},
		"denied, 400":  {http.StatusBadRequest, [2]string{}, `{"errors":[{"code":"DENIED","message":"no"}]}`, false},
		"too many":     {http.StatusTooManyRequests, [2]string{"Retry-After", "7"}, `{"errors":[{"code":"TOOMANYREQUESTS","message":"wait"}]}`, false},
		"read-only":    {http.StatusMethodNotAllowed, [2]string{}, `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`, true},
		"gone, 404":    {http.StatusNotFound, [2]string{}, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			relay := rig.NewRelay(t, registry.URL)
			relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
				reads := r.Method == http.MethodGet || r.Method == http.MethodHead
				if reads || !c.all && !strings.Contains(r.URL.Path, "/manifests/") {
					return false
				}
				if c.header[0] != "" {
					w.Header().Set(c.header[0], c.header[1])
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
				return true
			})
			f := front{registry, registry.URL, relay.URL, rig.NewBackref(t, relay.URL), nil}
			for _, reference := range []string{"tag", m.Digest().String()} {
				f.wantRefused(t, refusal{name, reference, m.MediaType, m.Bytes()})
			}
		})
	}
}
