package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// someNative lets the registry list manifests by an API of its own for some
// subjects, and answer all others otherwise.
func someNative(listed map[digest.Digest][][]byte, otherwise http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !isReferrers(r) {
			return false
		}
		_, subject, _ := strings.Cut(r.URL.Path, "/referrers/")
		if manifests, found := listed[digest.Digest(subject)]; found {
			return ownReferrers(manifests...)(w, r)
		}
		otherwise(w, r)
		return true
	}
}

func answering(status int, mediaType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// What the upstream's API says of one subject or repository is not believed of
// another, whichever is asked for first.
func TestAnAnswerOfTheNativeAPICountsForWhatItIsAbout(t *testing.T) {
	otherwise := map[string]http.HandlerFunc{
		"null":             answering(http.StatusOK, imageIndex, `{"schemaVersion":2,"mediaType":"`+imageIndex+`","manifests":null}`),
		"404 of its own":   answering(http.StatusNotFound, "application/json", `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`),
		"404 of a router":  http.NotFound,
		"404, no endpoint": answering(http.StatusNotFound, "application/json", `{"errors":[{"code":"METHOD_UNKNOWN"}]}`),
		"a page":           answering(http.StatusOK, "text/html", "<html>"),
		"405":              answering(http.StatusMethodNotAllowed, "text/plain", ""),
		"403":              answering(http.StatusForbidden, "text/plain", ""),
	}
	for name, answer := range otherwise {
		for _, where := range []string{"subject", "repository"} {
			aboutSubject := name == "null" || strings.HasPrefix(name, "404 of")
			if where == "subject" && !aboutSubject {
				continue
			}
			t.Run(name+" for another "+where, func(t *testing.T) {
				f := newFixture(t, remembering)
				subject := f.registry.put("app", image("subject"))
				native := referrer("native", subject)
				f.registry.put("app", native)
				other := "app"
				if where == "repository" {
					other = "other"
				}
				bare := f.registry.put(other, image("bare"))
				f.registry.answer(someNative(map[digest.Digest][][]byte{subject: {native}}, answer))
				for range 3 {
					if got := f.list(other, bare); len(got) > 0 {
						t.Errorf("the other has %v", got)
					}
					if got := f.list("app", subject); !slices.Equal(got, sorted(native)) {
						t.Errorf("got %v", got)
					}
				}
			})
		}
	}
}

// A repository whose subject has referrers that the upstream doesn't know lacks
// the API: nobody is asked again, for any subject.
func TestARepositoryWithoutTheNativeAPIIsNotAskedAgain(t *testing.T) {
	f := newFixture(t, remembering)
	subject, other := f.registry.put("app", image("subject")), f.registry.put("app", image("other"))
	f.push("app", referrer("x", subject))
	f.list("app", other)
	f.list("app", subject)
	f.registry.put("app", image("third"))
	f.registry.seen()
	for _, s := range []digest.Digest{subject, other, digest.FromBytes(image("third"))} {
		f.list("app", s)
	}
	for _, question := range f.registry.seen() {
		if strings.Contains(question, "/referrers/") {
			t.Errorf("asked %s", question)
		}
	}
}

// Where the API has answered before, a failure of it is no empty list.
func TestANativeAPIThatFailsIsNoEmptyList(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a page": answering(http.StatusOK, "text/html", "<html>maintenance</html>"),
		"405":    answering(http.StatusMethodNotAllowed, "text/plain", ""),
		"403":    answering(http.StatusForbidden, "text/plain", ""),
	} {
		f := newFixture(t, remembering)
		subject := f.registry.put("app", image("subject"))
		native := referrer("native", subject)
		f.registry.put("app", native)
		var failing atomic.Bool
		f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if isReferrers(r) && failing.Load() {
				answer(w, r)
				return true
			}
			return someNative(map[digest.Digest][][]byte{subject: {native}}, http.NotFound)(w, r)
		})
		f.list("app", subject)
		failing.Store(true)
		for range 2 {
			got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
			if got.status != http.StatusBadGateway && got.status != http.StatusForbidden {
				t.Errorf("%s: status %d: %s", name, got.status, got.body)
			}
		}
		failing.Store(false)
		if got := f.list("app", subject); !slices.Equal(got, sorted(native)) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// nativeEntry is an entry of a listing.
type nativeEntry struct {
	MediaType    string
	Digest       digest.Digest
	Size         int64
	ArtifactType string
	Annotations  map[string]string
}

func (f *fixture) entries(path string) []nativeEntry {
	f.t.Helper()
	got := f.do(http.MethodGet, path, nil)
	var document struct{ Manifests []nativeEntry }
	if err := json.Unmarshal(got.body, &document); err != nil || got.status != http.StatusOK {
		f.t.Fatalf("%s: status %d: %s", path, got.status, got.body)
	}
	return document.Manifests
}

// annotated returns a referrer with an annotation.
func annotated(name string, subject digest.Digest) []byte {
	body := referrer(name, subject)
	return fmt.Appendf(body[:len(body)-1], `,"annotations":{"name":%q}}`, name)
}

// What a listing says of an entry, and filters it by, is the manifest's own,
// whatever the upstream's API says of it.
func TestNativeEntriesSpeakForThemselves(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	sig, sbom := annotated("sig", subject), annotated("sbom", subject)
	f.registry.put("app", sig)
	f.registry.put("app", sbom)
	f.registry.answer(ownReferrers(sig, sbom))
	base := "/v2/app/referrers/" + subject.String()
	got := f.entries(base + "?artifactType=application/vnd.example.sig")
	if len(got) != 1 || got[0].Digest != digest.FromBytes(sig) || got[0].ArtifactType != "application/vnd.example.sig" || got[0].Annotations["name"] != "sig" || got[0].Size != int64(len(sig)) {
		t.Errorf("filtered: %+v", got)
	}
	if got := f.entries(base); len(got) != 2 || got[0].ArtifactType == "" || got[1].Annotations["name"] == "" {
		t.Errorf("all: %+v", got)
	}
	if got := f.entries(base + "?annotation=name%3Dsbom"); len(got) != 1 || got[0].Digest != digest.FromBytes(sbom) {
		t.Errorf("by annotation: %+v", got)
	}
	// They are known from now on.
	f.registry.seen()
	f.entries(base)
	for _, question := range f.registry.seen() {
		if strings.HasPrefix(question, "GET") && strings.Contains(question, "/manifests/sha256:") {
			t.Errorf("asked %s again", question)
		}
	}
}

// An entry that can't be had just now fails the listing; one that the upstream
// alone can tell of is listed as it does; one of another subject is not listed.
func TestNativeEntriesThatCantBeRead(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	good, broken, gone, alien := referrer("good", subject), []byte(`{"subject":1}`), referrer("gone", subject), referrer("alien", digest.FromString("other"))
	for _, manifest := range [][]byte{good, broken, alien} {
		f.registry.put("app", manifest)
	}
	var failing atomic.Bool
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if failing.Load() && strings.HasSuffix(r.URL.Path, digest.FromBytes(good).String()) {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return ownReferrers(good, broken, gone, alien)(w, r)
	})
	failing.Store(true)
	if got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil); got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	failing.Store(false)
	for n := range 4 {
		if got, want := walk(f, "app", subject, n+1), sorted(good, broken, gone); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: got %v, want %v", n+1, got, want)
		}
	}
}

// A manifest that is served as anything is known by what it says itself.
func TestManifestsOfNoMediaType(t *testing.T) {
	for _, mediaType := range []string{"text/plain", "application/octet-stream", ""} {
		for _, source := range []string{"tag", "native"} {
			t.Run(source+" "+mediaType, func(t *testing.T) {
				f := newFixture(t)
				subject := f.registry.put("app", image("subject"))
				stating := annotated("stating", subject)
				silent := []byte(strings.Replace(string(annotated("silent", subject)), fmt.Sprintf(`"mediaType":%q,`, imageManifest), "", 1))
				list := indexOf(stating, silent)
				for _, manifest := range [][]byte{stating, silent} {
					f.registry.put("app", manifest)
				}
				if source == "tag" {
					f.registry.put("app", list, oci.ReferrersTag(subject))
				}
				f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
					if isReferrers(r) {
						if source == "tag" {
							return false
						}
						return ownReferrers(stating, silent)(w, r)
					}
					f.registry.serve(retyped{w, mediaType}, r)
					return true
				})
				got := f.entries("/v2/app/referrers/" + subject.String())
				if len(got) != 2 || got[0].MediaType != imageManifest || got[1].MediaType != imageManifest || got[0].ArtifactType == "" {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

// retyped is an answer with another media type.
type retyped struct {
	http.ResponseWriter
	mediaType string
}

func (r retyped) Write(b []byte) (int, error) {
	r.Header()["Content-Type"] = []string{r.mediaType}
	return r.ResponseWriter.Write(b)
}

func (r retyped) WriteHeader(status int) {
	r.ResponseWriter.WriteHeader(status)
}

// What nothing tells the type of is no shorter list.
func TestAManifestOfUnknownTypeIsAnError(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) { cfg.Referrers.FallbackTags = config.FallbackImport })
	subject := f.registry.put("app", image("subject"))
	odd := fmt.Appendf(nil, `{"schemaVersion":2,"subject":{"mediaType":%q,"digest":%q,"size":1}}`, imageManifest, subject)
	f.registry.put("app", odd)
	f.registry.put("app", indexOf(odd), oci.ReferrersTag(subject))
	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
	if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// Such a manifest under the tag itself is no list, since it has a subject.
func TestATagOfUnknownTypeIsNoList(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	odd := fmt.Appendf(nil, `{"schemaVersion":2,"subject":{"mediaType":%q,"digest":%q,"size":1}}`, imageManifest, subject)
	f.registry.put("app", odd, oci.ReferrersTag(subject))
	if got := f.list("app", subject); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}
