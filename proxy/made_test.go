package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
)

const (
	dockerImage  = "application/vnd.docker.distribution.manifest.v2+json"
	ociConfig    = "application/vnd.oci.image.config.v1+json"
	dockerConfig = "application/vnd.docker.container.image.v1+json"
)

// imageStore is a hook of the odd registry that has tags and blobs too.
type imageStore struct {
	f *fixture

	mutex sync.Mutex
	tags  map[string][]string
	// blobs are by "repository@digest".
	blobs map[string][]byte
	// serve answers for a blob, nil as registries do.
	serve func(w http.ResponseWriter, r *http.Request, blob []byte)
	// read are the blobs that were asked for.
	read []string
}

func newImageStore(f *fixture) *imageStore {
	s := &imageStore{f: f, tags: map[string][]string{}, blobs: map[string][]byte{}}
	f.registry.answer(s.answer)
	return s
}

func (s *imageStore) answer(w http.ResponseWriter, r *http.Request) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if repository, is := strings.CutSuffix(path, "/tags/list"); is {
		_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": s.tags[repository]})
		return true
	}
	repository, name, is := strings.Cut(path, "/blobs/")
	if !is {
		return false
	}
	s.read = append(s.read, repository+"@"+name)
	blob, found := s.blobs[repository+"@"+name]
	switch {
	case !found:
		return false
	case s.serve != nil:
		s.serve(w, r, blob)
	default:
		_, _ = w.Write(blob)
	}
	return true
}

// reads returns how many blobs were asked for since the last call.
func (s *imageStore) reads() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	read := len(s.read)
	s.read = nil
	return read
}

func (s *imageStore) serving(serve func(w http.ResponseWriter, r *http.Request, blob []byte)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.serve = serve
}

// image puts an image whose config is given there, past the proxy.
func (s *imageStore) image(repository, tag, mediaType, configType, config string, annotations map[string]string) []byte {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	annotated, _ := json.Marshal(annotations) // Strings always can be.
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[],"annotations":%s}`,
		mediaType, configType, digest.FromString(config), len(config), annotated)
	s.blobs[repository+"@"+digest.FromString(config).String()] = []byte(config)
	s.tag(repository, tag, body)
	return body
}

func (s *imageStore) tag(repository, tag string, body []byte) {
	if tag == "" {
		s.f.registry.put(repository, body)
		return
	}
	s.f.registry.put(repository, body, tag)
	s.tags[repository] = append(s.tags[repository], tag)
}

func configOf(created, name string) string {
	return fmt.Sprintf(`{"created":%q,"architecture":"amd64","os":"linux","config":{"Labels":{"name":%q}},"rootfs":{"type":"layers","diff_ids":[]}}`, created, name)
}

// dates lists tags with what they say to have been created, in their order.
func dates(f *fixture, path string, header ...string) []string {
	f.t.Helper()
	got := f.do(http.MethodGet, path, nil, header...)
	var list struct {
		Tags []struct {
			Tag     string
			Created *time.Time
		}
	}
	if err := json.Unmarshal(got.body, &list); err != nil || got.status != http.StatusOK {
		f.t.Fatalf("%s: got %d %s", path, got.status, got.body)
	}
	var dates []string
	for _, tag := range list.Tags {
		text := tag.Tag
		switch {
		case tag.Created == nil:
		case time.Since(*tag.Created) < time.Hour:
			text += " seen"
		default:
			text += " " + tag.Created.Format(time.RFC3339)
		}
		dates = append(dates, text)
	}
	return dates
}

func equalDates(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

const byCreated = "/v2/app/_backref/catalog/tags?sort=created"

// Images are as old as their configs say, whoever made them, and the configs are
// read once.
func TestTagsAreAsOldAsTheConfigs(t *testing.T) {
	f := newFixture(t)
	s := newImageStore(f)
	s.image("app", "a", dockerImage, dockerConfig, configOf("2024-03-01T00:00:00.5Z", "docker"), nil)
	s.image("app", "b", imageManifest, ociConfig, configOf("2024-01-01T01:00:00+01:00", "buildkit"), nil)
	s.image("app", "c", imageManifest, ociConfig, configOf("2024-02-01T00:00:00Z", "annotated"), map[string]string{index.AnnotationCreated: "2023-01-01T00:00:00Z"})
	s.image("app", "d", imageManifest, "application/vnd.example.config", configOf("2024-02-01T00:00:00Z", "artifact"), nil)
	one := s.image("app", "", imageManifest, ociConfig, configOf("2022-01-01T00:00:00Z", "one"), nil)
	two := s.image("app", "", imageManifest, ociConfig, configOf("2022-06-01T00:00:00Z", "two"), nil)
	s.tag("app", "e", indexOf(one, two, image("not there")))

	want := []string{"e 2022-06-01T00:00:00Z", "c 2023-01-01T00:00:00Z", "b 2024-01-01T00:00:00Z", "a 2024-03-01T00:00:00Z", "d seen"}
	equalDates(t, "at first", dates(f, byCreated), want...)
	if got := s.reads(); got != 4 {
		t.Errorf("%d configs were read, want 4", got)
	}
	equalDates(t, "again", dates(f, byCreated), want...)
	equalDates(t, "by name", dates(f, "/v2/app/_backref/catalog/tags"), want[3], want[2], want[1], want[4], want[0])
	equalDates(t, "between", dates(f, byCreated+"&from=c&to=2024-02-01T00:00:00Z"), want[1], want[2])
	slices.Reverse(want)
	equalDates(t, "turned round", dates(f, "/v2/app/_backref/catalog/tags?sort=-created&from=e&to=a"), want[1:]...)
	if got := s.reads(); got != 0 {
		t.Errorf("%d configs were read again", got)
	}
}

// A build that is to give the same bytes each time writes no time. Its image is
// as old as the index knows it.
func TestATimeThatIsNoneIsNoAge(t *testing.T) {
	f := newFixture(t)
	s := newImageStore(f)
	for tag, created := range map[string]string{
		"zero": "0001-01-01T00:00:00Z", "epoch": "1970-01-01T00:00:00Z", "nix": "1970-01-01T00:00:01Z", "buildpacks": "1980-01-01T00:00:01Z", "never": "",
	} {
		s.image("app", tag, imageManifest, ociConfig, configOf(created, tag), nil)
	}
	s.image("app", "odd", imageManifest, ociConfig, "no JSON", nil)
	s.image("app", "stated", imageManifest, ociConfig, configOf("2024-01-01T00:00:00Z", "stated"), map[string]string{index.AnnotationCreated: "1970-01-01T00:00:00Z"})
	for range 2 {
		got := dates(f, byCreated)
		slices.Sort(got)
		equalDates(t, "tags", got, "buildpacks seen", "epoch seen", "never seen", "nix seen", "odd seen", "stated 2024-01-01T00:00:00Z", "zero seen")
	}
	if got := s.reads(); got != 7 {
		t.Errorf("configs were asked for %d times, want 7", got)
	}
}

// A config in the storage of the registry is read there, without the client's
// credentials.
func TestConfigsBehindRedirects(t *testing.T) {
	f := newFixture(t)
	s := newImageStore(f)
	content := configOf("2024-01-01T00:00:00Z", "stored")
	s.image("app", "a", imageManifest, ociConfig, content, nil)
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the storage got credentials")
		}
		_, _ = w.Write([]byte(content))
	}))
	t.Cleanup(storage.Close)
	s.serving(func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if r.Header.Get("Authorization") != "Bearer mine" {
			t.Errorf("the registry got the credentials %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, storage.URL+"/bucket/object?signature=1", http.StatusTemporaryRedirect)
	})
	equalDates(t, "tags", dates(f, byCreated, "Authorization", "Bearer mine"), "a 2024-01-01T00:00:00Z")
}

// What is not the config, or too large, is not believed, and asked for again.
func TestWhatIsNotTheConfigIsNotBelieved(t *testing.T) {
	for name, serve := range map[string]func(w http.ResponseWriter, r *http.Request, blob []byte){
		"another": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			_, _ = w.Write([]byte(configOf("2020-01-01T00:00:00Z", "x")))
		},
		"gone": func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusNotFound) },
		"too large": func(w http.ResponseWriter, _ *http.Request, blob []byte) {
			_, _ = w.Write(append(blob, make([]byte, 2048)...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(cfg *config.Config) { cfg.Limits.ManifestSize = 2048 })
			s := newImageStore(f)
			s.image("app", "a", imageManifest, ociConfig, configOf("2024-01-01T00:00:00Z", "a"), nil)
			s.serving(serve)
			equalDates(t, "at first", dates(f, byCreated), "a seen")
			s.serving(nil)
			equalDates(t, "later", dates(f, byCreated), "a 2024-01-01T00:00:00Z")
		})
	}
}

// An order by what can't be read is an error; another order shows what is known,
// and what was read before the failure is kept.
func TestAConfigThatCannotBeAskedFor(t *testing.T) {
	f := newFixture(t)
	s := newImageStore(f)
	s.image("app", "v1", imageManifest, ociConfig, configOf("2024-01-01T00:00:00Z", "v1"), nil)
	equalDates(t, "at first", dates(f, byCreated), "v1 2024-01-01T00:00:00Z")
	s.image("app", "v2", imageManifest, ociConfig, configOf("2024-02-01T00:00:00Z", "v2"), nil)
	s.serving(func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusInternalServerError) })
	got := f.do(http.MethodGet, byCreated, nil)
	if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	equalDates(t, "by version", dates(f, "/v2/app/_backref/catalog/tags?sort=version"), "v1 2024-01-01T00:00:00Z", "v2")
	s.serving(nil)
	equalDates(t, "later", dates(f, byCreated), "v1 2024-01-01T00:00:00Z", "v2 2024-02-01T00:00:00Z")
}

// What was read in one repository says nothing in another, which may not have it.
func TestAConfigOfAnotherRepositoryIsNotUsed(t *testing.T) {
	f := newFixture(t)
	s := newImageStore(f)
	content := configOf("2024-01-01T00:00:00Z", "shared")
	body := s.image("app", "a", imageManifest, ociConfig, content, nil)
	equalDates(t, "its own", dates(f, byCreated), "a 2024-01-01T00:00:00Z")
	s.tag("other", "a", body)
	const other = "/v2/other/_backref/catalog/tags?sort=created"
	equalDates(t, "another's", dates(f, other), "a seen")
	s.image("other", "b", imageManifest, ociConfig, content, map[string]string{"name": "b"})
	equalDates(t, "once it has it", dates(f, other), "a 2024-01-01T00:00:00Z", "b 2024-01-01T00:00:00Z")
}

// A push asks for no config; what is deleted and pushed again is read again.
func TestAPushReadsNoConfig(t *testing.T) {
	f := newFixture(t)
	s := newImageStore(f)
	body := s.image("app", "a", imageManifest, ociConfig, configOf("2024-01-01T00:00:00Z", "a"), nil)
	put := func() {
		t.Helper()
		if got := f.do(http.MethodPut, "/v2/app/manifests/a", body, "Content-Type", imageManifest); got.status != http.StatusCreated {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	put()
	if got := s.reads(); got != 0 {
		t.Errorf("the push read %d blobs", got)
	}
	equalDates(t, "pushed", dates(f, byCreated), "a 2024-01-01T00:00:00Z")
	if got := f.do(http.MethodDelete, "/v2/app/manifests/"+digest.FromBytes(body).String(), nil); got.status != http.StatusAccepted {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	put()
	s.reads()
	equalDates(t, "pushed again", dates(f, byCreated), "a 2024-01-01T00:00:00Z")
	if got := s.reads(); got != 1 {
		t.Errorf("%d configs were read", got)
	}
}

// The extension shows of each referrer the time that it is ordered by.
func TestReferrersShowTheTimeTheyAreOrderedBy(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) { cfg.Limits.ResponseSize = 700 })
	subject := f.registry.put("app", image("subject"))
	stated := []byte(strings.Replace(string(referrer("stated", subject)), `"layers":[]`, `"layers":[],"annotations":{"`+index.AnnotationCreated+`":"2024-01-01T02:00:00+01:00"}`, 1))
	f.push("app", referrer("seen", subject))
	f.push("app", stated)
	got := map[string]bool{}
	path := "/v2/app/_backref/graph/referrers?subject=" + subject.String()
	for path != "" {
		page := f.do(http.MethodGet, path, nil)
		var list struct {
			Manifests []struct {
				Digest  digest.Digest
				Created time.Time
			}
		}
		if err := json.Unmarshal(page.body, &list); err != nil || len(page.body) > 700 || len(list.Manifests) == 0 {
			t.Fatalf("got %d bytes, %s, %v", len(page.body), page.body, err)
		}
		for _, m := range list.Manifests {
			if m.Digest == digest.FromBytes(stated) {
				got["stated "+m.Created.Format(time.RFC3339)] = true
			} else if time.Since(m.Created) < time.Hour {
				got["seen"] = true
			}
		}
		next := page.header.Get("Link")
		path = strings.TrimSuffix(strings.TrimPrefix(next, "<"), `>; rel="next"`)
	}
	if want := map[string]bool{"seen": true, "stated 2024-01-01T01:00:00Z": true}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
