package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// fakeRegistry answers as little as a test needs.
type fakeRegistry struct {
	*http.ServeMux
	url string
}

func newRegistry(t *testing.T) (*fakeRegistry, *Repository) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	r := &fakeRegistry{ServeMux: http.NewServeMux()}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	c, err := New(Options{UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	// Trying again is not what these tests are about.
	c.http.Client = server.Client()
	ref, err := ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app")
	if err != nil {
		t.Fatal(err)
	}
	return r, c.Repository(ref)
}

// manifest serves a manifest under its digest and more references.
func (r *fakeRegistry) manifest(body, mediaType string, references ...string) digest.Digest {
	sum := digest.FromString(body)
	for _, reference := range append(references, sum.String()) {
		r.HandleFunc("GET /v2/app/manifests/"+reference, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			_, _ = w.Write([]byte(body))
		})
	}
	return sum
}

func artifact(name string, subject digest.Digest) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example","annotations":{"name":%q},`+
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1}}`,
		oci.MediaTypeImageManifest, name, sum, oci.MediaTypeImageManifest, subject)
}

// list serves an image index as the referrers tag of a subject.
func (r *fakeRegistry) list(t *testing.T, subject digest.Digest, manifests ...digest.Digest) digest.Digest {
	t.Helper()
	entries := make([]ocispec.Descriptor, 0, len(manifests))
	for _, m := range manifests {
		entries = append(entries, ocispec.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: m, Size: 1})
	}
	m, err := EmptyIndex().WithEntries(entries)
	if err != nil {
		t.Fatal(err)
	}
	return r.manifest(string(m.Body), oci.MediaTypeImageIndex, oci.ReferrersTag(subject))
}

// withTag serves a referrers tag for a subject: one entry that is right, one
// without annotations, one of another subject, and one that was deleted.
func (r *fakeRegistry) withTag(t *testing.T, subject digest.Digest) (want []digest.Digest) {
	t.Helper()
	first := r.manifest(artifact("first", subject), oci.MediaTypeImageManifest)
	second := r.manifest(artifact("second", subject), oci.MediaTypeImageManifest)
	alien := r.manifest(artifact("alien", digest.FromString("alien")), oci.MediaTypeImageManifest)
	m, err := EmptyIndex().WithEntries([]ocispec.Descriptor{
		{MediaType: oci.MediaTypeImageManifest, Digest: first, Size: 1, ArtifactType: "application/wrong"},
		{MediaType: oci.MediaTypeImageManifest, Digest: second, Size: 1},
		{MediaType: oci.MediaTypeImageManifest, Digest: alien, Size: 1},
		{MediaType: oci.MediaTypeImageManifest, Digest: digest.FromString("deleted"), Size: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.manifest(string(m.Body), oci.MediaTypeImageIndex, oci.ReferrersTag(subject))
	return []digest.Digest{min(first, second), max(first, second)}
}

func TestWhateverARegistryAnswersToAnUnknownPath(t *testing.T) {
	subject := digest.FromString("subject")
	for name, answer := range map[string]http.HandlerFunc{
		"404":    http.NotFound,
		"400":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) },
		"401":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) },
		"405":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusMethodNotAllowed) },
		"501":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotImplemented) },
		"a page": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"JSON of another": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{}"))
		},
		"no index": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
			_, _ = w.Write([]byte("<html>"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			registry, repository := newRegistry(t)
			want := registry.withTag(t, subject)
			registry.HandleFunc("GET /v2/app/referrers/", answer)
			registry.HandleFunc("GET /v2/app/_oci/ext/discover", answer)
			got, err := repository.Referrers(t.Context(), subject, index.Query{})
			if err != nil || len(got) != len(want) {
				t.Fatalf("%v, %v", got, err)
			}
			for i, d := range got {
				// What the tag says of them doesn't count.
				if d.Digest != want[i] || d.ArtifactType != "application/vnd.example" || d.Annotations["name"] == "" || d.Size < 100 {
					t.Errorf("entry %d: %v", i, d)
				}
			}
		})
	}
}

func TestNeverAShortList(t *testing.T) {
	subject := digest.FromString("subject")
	failing := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }
	t.Run("referrers API", func(t *testing.T) {
		registry, repository := newRegistry(t)
		registry.withTag(t, subject)
		registry.HandleFunc("GET /v2/app/referrers/", failing)
		if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err == nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("second page", func(t *testing.T) {
		registry, repository := newRegistry(t)
		registry.HandleFunc("GET /v2/app/referrers/", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
			w.Header().Set("Link", `<?last=x>; rel="next"`)
			_, _ = w.Write([]byte(`{"schemaVersion":2,"manifests":[]}`))
		})
		if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err == nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("entry of the tag", func(t *testing.T) {
		registry, repository := newRegistry(t)
		m, err := EmptyIndex().WithEntries([]ocispec.Descriptor{{Digest: digest.FromString("x")}})
		if err != nil {
			t.Fatal(err)
		}
		registry.manifest(string(m.Body), oci.MediaTypeImageIndex, oci.ReferrersTag(subject))
		registry.HandleFunc("GET /v2/app/manifests/"+digest.FromString("x").String(), func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusForbidden)
		})
		if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err == nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestExtensionIsAsked(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.HandleFunc("GET /v2/app/_oci/ext/discover", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"extensions":[{"name":"_oci"},{"name":"_backref","endpoints":["…"]}]}`))
	})
	var asked []string
	registry.HandleFunc("GET /v2/app/_backref/graph/referrers", func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Encode())
		if r.URL.Query().Get("last") == "" {
			w.Header().Set("Link", `</v2/app/_backref/graph/referrers?last=x>; rel="next"`)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"manifests": []oci.Descriptor{{Digest: sum}}})
	})
	got, err := repository.Referrers(t.Context(), sum, index.Query{ArtifactTypes: []string{"a*"}})
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if want := "artifactType=a%2A&legacy=false&subject=sha256%3A" + sum[len("sha256:"):]; asked[0] != want {
		t.Errorf("asked %s, want %s", asked[0], want)
	}
}

func TestPagesOfAnotherHostAreRefused(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", `<http://example.com/v2/app/tags/list?last=x>; rel="next"`)
		_, _ = w.Write([]byte(`{"tags":["v1"]}`))
	})
	if got, err := repository.TagNames(t.Context()); err == nil || !strings.Contains(err.Error(), "leads") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestManifestsAreVerified(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.HandleFunc("GET /v2/app/manifests/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", oci.MediaTypeImageManifest)
		w.Header().Set("Docker-Content-Digest", sum)
		_, _ = w.Write([]byte(`{"schemaVersion":2,"layers":[]}`))
	})
	for _, reference := range []string{sum, "v1"} {
		if _, err := repository.Manifest(t.Context(), reference); err == nil || !strings.Contains(err.Error(), "its digest is") {
			t.Errorf("%s: %v", reference, err)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	registry, repository := newRegistry(t)
	for tag, answer := range map[string]struct {
		status    int
		challenge string
		want      string
	}{
		"token":   {http.StatusUnauthorized, "", "docker login " + repository.Reference.Host},
		"basic":   {http.StatusUnauthorized, `Basic realm="x"`, "docker login " + repository.Reference.Host},
		"denied":  {http.StatusForbidden, "", "may not do this"},
		"missing": {http.StatusNotFound, "", "MANIFEST_UNKNOWN it is not there"},
	} {
		registry.HandleFunc("GET /v2/app/manifests/"+tag, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", answer.challenge)
			w.WriteHeader(answer.status)
			_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"it is not there"}]}`))
		})
		if _, err := repository.Manifest(t.Context(), tag); err == nil || !strings.Contains(err.Error(), answer.want) {
			t.Errorf("%s: %v, want %s", tag, err, answer.want)
		}
	}
}

func TestParentsNeedABackref(t *testing.T) {
	_, repository := newRegistry(t)
	if _, err := repository.Parents(t.Context(), sum); err == nil || !strings.Contains(err.Error(), "through a backref") {
		t.Error(err)
	}
}

func TestComplete(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.HandleFunc("GET /v2/_catalog", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"repositories":["app","apple","other"]}`))
	})
	registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"tags":["v1","v2","latest","` + oci.ReferrersTag(sum) + `"]}`))
	})
	registry.list(t, sum, registry.manifest(artifact("only", sum), oci.MediaTypeImageManifest))
	c, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	host := repository.Reference.Host
	for begun, want := range map[string]string{
		host + "/ap": host + "/app " + host + "/apple", host + "/app:v": host + "/app:v1 " + host + "/app:v2",
		host + "/app:": host + "/app:v1 " + host + "/app:v2 " + host + "/app:latest", "loc": "", host + "/app@": "", host + "/x": "",
	} {
		got, err := Complete(t.Context(), c, begun)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v", begun, got, err)
		}
	}
}
