package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// shelf is a registry of one repository, app, by tag and digest.
type shelf struct {
	mutex     sync.Mutex
	manifests map[string][]byte
	changes   []string
	// before is told of each request.
	before func(r *http.Request)
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.before != nil {
		s.before(r)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	reference := strings.TrimPrefix(r.URL.Path, "/v2/app/manifests/")
	body, found := s.manifests[reference]
	switch {
	case r.Method == http.MethodPut:
		s.changes = append(s.changes, "PUT "+reference)
		body, _ = io.ReadAll(r.Body)
		s.manifests[reference], s.manifests[digest.FromBytes(body).String()] = body, body
		w.WriteHeader(http.StatusCreated)
	case !found:
		http.NotFound(w, r)
	case r.Method == http.MethodDelete:
		s.changes = append(s.changes, "DELETE "+reference)
		for name, other := range s.manifests {
			if digest.FromBytes(other).String() == reference {
				delete(s.manifests, name)
			}
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		var stated struct{ MediaType string }
		_ = json.Unmarshal(body, &stated)
		w.Header().Set("Content-Type", stated.MediaType)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
		_, _ = w.Write(body)
	}
}

// put stores a manifest past all.
func (s *shelf) put(body []byte, tags ...string) digest.Digest {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, reference := range append(tags, digest.FromBytes(body).String()) {
		s.manifests[reference] = body
	}
	return digest.FromBytes(body)
}

// records is an index that knows some manifests.
type records map[digest.Digest]index.Manifest

func (r records) Get(_ context.Context, repository string, manifest digest.Digest) (index.Record, error) {
	if m, known := r[manifest]; known && repository == "app" {
		return index.Record{Repository: repository, Manifest: m}, nil
	}
	return index.Record{}, index.ErrNotFound
}

func newShelf(t *testing.T) (*shelf, registry.OwnTags) {
	t.Helper()
	s := &shelf{manifests: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := upstream.New(upstream.Options{URL: base})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(behind.Close)
	return s, registry.OwnTags{Reader: &registry.Reader{
		Upstream: behind, Records: records{},
		Limits: func() *registry.Limits { return &registry.Limits{Size: 1 << 20, Entries: 10, Concurrency: 2} },
	}}
}

func image(name string, subject digest.Digest) []byte {
	about := ""
	if subject != "" {
		about = fmt.Sprintf(`,"subject":{"digest":%q}`, subject)
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"layers":[],"annotations":{"name":%q}%s}`, oci.MediaTypeImageManifest, name, about)
}

func listOf(about digest.Digest, manifests ...[]byte) []byte {
	var entries []string
	for _, m := range manifests {
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, oci.MediaTypeImageManifest, digest.FromBytes(m), len(m)))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s],"annotations":{%q:%q}}`,
		oci.MediaTypeImageIndex, strings.Join(entries, ","), index.AnnotationSubject, about)
}

func TestReferrersAreWrittenOverTheirOwnListOnly(t *testing.T) {
	s, own := newShelf(t)
	subject := s.put(image("subject", ""))
	tag := oci.ReferrersTag(subject)
	sbom := image("sbom", subject)
	s.put(sbom)
	empty, full := listOf(subject), listOf(subject, sbom)
	mustBe := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	mustBe(own.WriteReferrers(t.Context(), "app", subject, digest.FromString("another"), empty), registry.ErrMoved)
	mustBe(own.WriteReferrers(t.Context(), "app", subject, "", empty), nil)
	mustBe(own.WriteReferrers(t.Context(), "app", subject, "", full), registry.ErrMoved)
	mustBe(own.WriteReferrers(t.Context(), "app", subject, digest.FromBytes(empty), full), nil)
	mustBe(own.DropReferrers(t.Context(), "app", tag, digest.FromBytes(empty)), nil)
	// Another client's, with an entry of ours.
	theirs := listOf("", sbom)
	s.put(theirs, tag)
	mustBe(own.WriteReferrers(t.Context(), "app", subject, digest.FromBytes(theirs), full), nil)
	mustBe(own.DropReferrers(t.Context(), "app", tag, digest.FromBytes(theirs)), nil)
	mustBe(own.DropReferrers(t.Context(), "app", tag, digest.FromBytes(theirs)), nil) // It is gone.
	want := []string{"PUT " + tag, "PUT " + tag, "DELETE " + digest.FromBytes(empty).String(), "PUT " + tag, "DELETE " + digest.FromBytes(theirs).String()}
	if !slices.Equal(s.changes, want) {
		t.Errorf("got %q\nwant %q", s.changes, want)
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	s, own := newShelf(t)
	subject := s.put(listOf("", image("amd64", "")))
	s.put(image("amd64", ""))
	tag := oci.ReferrersTag(subject)
	sbom := image("sbom", subject)
	s.put(sbom)
	list := listOf(subject, sbom)
	for name, there := range map[string][]byte{
		"the subject": s.manifests[subject.String()], "an image": image("other", ""), "a referrer": sbom,
		"a multi-arch image": listOf("", image("amd64", ""), image("arm64", "")), "a mixed list": listOf(subject, sbom, image("amd64", "")),
		"an empty list": listOf(""), "a list of what is gone": listOf("", image("gone", subject)), "no manifest": []byte("[]"),
	} {
		t.Run(name, func(t *testing.T) {
			was := s.put(there, tag, "v1")
			s.changes = nil
			if name != "no manifest" {
				if err := own.WriteReferrers(t.Context(), "app", subject, was, list); !errors.Is(err, registry.ErrNotOurs) {
					t.Errorf("write: %v", err)
				}
				if err := own.DropReferrers(t.Context(), "app", tag, was); !errors.Is(err, registry.ErrNotOurs) {
					t.Errorf("drop: %v", err)
				}
			} else if own.WriteReferrers(t.Context(), "app", subject, was, list) == nil || own.DropReferrers(t.Context(), "app", tag, was) == nil {
				t.Error("no error")
			}
			if len(s.changes) > 0 {
				t.Errorf("changed: %q", s.changes)
			}
		})
	}
}

// What was right a moment ago is looked at again.
func TestTheTagIsJudgedBeforeEachTry(t *testing.T) {
	s, own := newShelf(t)
	subject := s.put(image("subject", ""))
	tag := oci.ReferrersTag(subject)
	own.Ask = func(ctx context.Context, question func(context.Context) error) error {
		if err := question(ctx); !errors.Is(err, upstream.ErrUnreachable) {
			return err
		}
		return question(ctx)
	}
	// The first try comes to nothing, and somebody else takes the tag.
	s.before = func(r *http.Request) {
		if r.Method == http.MethodPut {
			s.put(image("another", ""), tag)
			panic(http.ErrAbortHandler)
		}
	}
	if err := own.WriteReferrers(t.Context(), "app", subject, "", listOf(subject)); !errors.Is(err, registry.ErrNotOurs) {
		t.Error(err)
	}
}

func TestHiddenTagsAreWrittenForTheirReferrerOnly(t *testing.T) {
	s, own := newShelf(t)
	subject := s.put(image("subject", ""))
	sbom := s.put(image("sbom", subject))
	tag := oci.HiddenTag(sbom)
	for range 2 {
		if err := own.WriteHidden(t.Context(), "app", sbom); err != nil {
			t.Fatal(err)
		}
	}
	s.put(image("other", ""), tag)
	if err := own.WriteHidden(t.Context(), "app", sbom); !errors.Is(err, registry.ErrNotOurs) {
		t.Error(err)
	}
	if err := own.DropHidden(t.Context(), "app", sbom); !errors.Is(err, registry.ErrNotOurs) {
		t.Error(err)
	}
	if err := own.DropHidden(t.Context(), "app", digest.FromString("gone")); !errors.Is(err, upstream.ErrNotFound) {
		t.Error(err)
	}
	if err := own.WriteHidden(t.Context(), "app", digest.FromString("gone")); !errors.Is(err, upstream.ErrNotFound) {
		t.Error(err)
	}
	s.put(image("sbom", subject), tag)
	if err := own.DropHidden(t.Context(), "app", sbom); err != nil {
		t.Error(err)
	}
	if !slices.Equal(s.changes, []string{"PUT " + tag, "DELETE " + tag}) {
		t.Errorf("changes: %q", s.changes)
	}
}

func TestListsThatAreNotToBeReadAreErrors(t *testing.T) {
	s, own := newShelf(t)
	subject := s.put(image("subject", ""))
	tag := oci.ReferrersTag(subject)
	var many [][]byte
	for i := range 11 {
		many = append(many, image(fmt.Sprint(i), subject))
	}
	for name, body := range map[string][]byte{
		"too many": listOf(subject, many...), "said twice": []byte(`{"mediaType":"a","mediaType":"b"}`), "no JSON": []byte("{"),
	} {
		s.put(body, tag)
		if got, err := own.Judge(t.Context(), "app", tag); !errors.Is(err, upstream.ErrInvalid) || errors.Is(err, index.ErrManifest) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What the index knows is not fetched, and not told as new.
func TestKnownReferrersAreNotFetched(t *testing.T) {
	s, own := newShelf(t)
	subject := s.put(image("subject", ""))
	tag := oci.ReferrersTag(subject)
	known, fresh := image("known", subject), image("fresh", subject)
	m, err := index.ParseManifest(oci.MediaTypeImageManifest, digest.SHA256, known)
	if err != nil {
		t.Fatal(err)
	}
	own.Records = records{m.Digest: m}
	s.put(fresh)
	s.put(listOf("", known, fresh), tag)
	got, err := own.Judge(t.Context(), "app", tag)
	if err != nil || got.Kind != index.TagReferrers || len(got.Referrers) != 2 || len(got.Fresh) != 1 || got.Fresh[0].Digest != digest.FromBytes(fresh) {
		t.Errorf("%+v, %v", got, err)
	}
}
