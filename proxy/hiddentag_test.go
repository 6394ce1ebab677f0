package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// stats are the counts of the index behind a fixture.
func (f *fixture) stats() index.Stats {
	f.t.Helper()
	stats, err := f.store.(index.Maintainer).Stats(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return stats
}

// A referrer that is pushed by digest goes to the registry by one request,
// under a hidden tag; to the client it is a push by digest.
func TestAReferrerIsPushedUnderAHiddenTag(t *testing.T) {
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			w.Header().Set("Location", "http://"+r.Host+r.URL.Path)
		}
		return false
	})
	subject := f.registry.put("app", []byte(`{"schemaVersion":2}`), "v1")
	body := referrer("a", subject)
	name := digest.FromBytes(body)
	f.registry.seen()
	got := f.do(http.MethodPut, "/v2/app/manifests/"+name.String(), body, "Content-Type", imageManifest)
	if got.status != http.StatusCreated || got.header.Get("Docker-Content-Digest") != name.String() ||
		got.header.Get("OCI-Subject") != subject.String() || !strings.HasSuffix(got.header.Get("Location"), "/v2/app/manifests/"+name.String()) {
		t.Errorf("answer: %d %v", got.status, got.header)
	}
	if seen := f.registry.seen(); !slices.Equal(seen, []string{"PUT /v2/app/manifests/" + oci.HiddenTag(name)}) {
		t.Errorf("the registry saw %v", seen)
	}
	if n := f.stats().Unheld; n != 0 {
		t.Errorf("%d referrers are unheld", n)
	}
}

// What is no referrer, or is pushed by tag, is sent as it came; so is everything with
// the setting off.
func TestWhatNeedsNoHiddenTag(t *testing.T) {
	subject := digest.FromString("subject")
	body, plain := referrer("a", subject), []byte(`{"schemaVersion":2,"mediaType":"`+imageManifest+`","config":{},"layers":[]}`)
	for name, test := range map[string]struct {
		reference string
		body      []byte
		off       bool
	}{
		"pushed by tag":       {"sig", body, false},
		"without a subject":   {digest.FromBytes(plain).String(), plain, false},
		"with a sha512":       {digest.SHA512.FromBytes(body).String(), body, false},
		"with hiddenTags off": {digest.FromBytes(body).String(), body, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(cfg *config.Config) { cfg.Referrers.HiddenTags = !test.off })
			f.do(http.MethodPut, "/v2/app/manifests/"+test.reference, test.body, "Content-Type", imageManifest)
			for _, seen := range f.registry.seen() {
				if strings.HasSuffix(seen, ".referrer") {
					t.Errorf("the registry saw %s", seen)
				}
			}
		})
	}
}

// A push by digest with a condition or parameters says something that a push
// by tag doesn't: it goes by its digest, and the tag follows.
func TestAHiddenTagFollowsAConditionalPush(t *testing.T) {
	body := referrer("a", digest.FromString("subject"))
	name := digest.FromBytes(body)
	for what, query := range map[string]string{"a condition": "", "a parameter": "?tag=extra", "what can't be read": "?x=%zz"} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			got := f.do(http.MethodPut, "/v2/app/manifests/"+name.String()+query, body, "Content-Type", imageManifest, "If-None-Match", `"x"`)
			want := []string{"PUT /v2/app/manifests/" + name.String(), "PUT /v2/app/manifests/" + oci.HiddenTag(name)}
			if seen := f.registry.seen(); got.status != http.StatusCreated || !slices.Equal(seen, want) {
				t.Errorf("%d, the registry saw %v", got.status, seen)
			}
		})
	}
}

// A registry that refuses the tag gets the push by digest, and the index says
// how many referrers nothing holds.
func TestARefusedHiddenTag(t *testing.T) {
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".referrer") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"errors":[{"code":"TAG_INVALID"}]}`))
			return true
		}
		return false
	})
	subject := f.registry.put("app", []byte(`{"schemaVersion":2}`))
	body := referrer("a", subject)
	path := "/v2/app/manifests/" + digest.FromBytes(body).String()
	if got := f.do(http.MethodPut, path, body, "Content-Type", imageManifest); got.status != http.StatusCreated {
		t.Fatalf("push: %d %s", got.status, got.body)
	}
	if list := f.list("app", subject); len(list) != 1 {
		t.Errorf("listed: %v", list)
	}
	if n := f.stats().Unheld; n != 1 {
		t.Errorf("%d referrers are unheld, want 1", n)
	}
	warned := f.warnings.FilterMessageSnippet("referrer has no hidden tag").All()
	if len(warned) != 1 || !strings.Contains(fmt.Sprint(warned[0].ContextMap()["reason"]), "TAG_INVALID") {
		t.Errorf("warned: %v", warned)
	}
	f.do(http.MethodDelete, path, nil)
	if n := f.stats().Unheld; n != 0 {
		t.Errorf("%d referrers are unheld after its deletion", n)
	}
}

// A registry that refuses a push whatever its reference gets to say so itself,
// and the client reads what it says of a push by digest.
func TestAPushThatIsRefusedWithAndWithoutTag(t *testing.T) {
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(r.URL.Path))
		return true
	})
	body := referrer("a", digest.FromString("subject"))
	path := "/v2/app/manifests/" + digest.FromBytes(body).String()
	got := f.do(http.MethodPut, path, body, "Content-Type", imageManifest)
	if got.status != http.StatusBadRequest || string(got.body) != path {
		t.Errorf("%d %s", got.status, got.body)
	}
	if stats := f.stats(); stats.Unheld != 0 || stats.Intents != 0 || stats.Records != 0 {
		t.Errorf("left behind: %+v", stats)
	}
}

// Where the registry has the API it keeps referrers without a tag: after the
// first answer that says so none is given in that repository.
func TestNoHiddenTagsWhereTheRegistryHasTheAPI(t *testing.T) {
	f := newFixture(t)
	subject := digest.FromString("subject")
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			w.Header().Set("OCI-Subject", subject.String())
		}
		return false
	})
	for i, n := range []string{"a", "b"} {
		body := referrer(n, subject)
		f.do(http.MethodPut, "/v2/app/manifests/"+digest.FromBytes(body).String(), body, "Content-Type", imageManifest)
		if hidden := strings.HasSuffix(f.registry.seen()[0], ".referrer"); hidden != (i == 0) {
			t.Errorf("push %d under a hidden tag: %v", i, hidden)
		}
	}
}

// A registry that deletes nothing that is tagged is asked for the hidden tag
// first.
func TestAHiddenTagGoesBeforeItsReferrer(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", []byte(`{"schemaVersion":2}`))
	body := referrer("a", subject)
	name := digest.FromBytes(body)
	path, tagPath := "/v2/app/manifests/"+name.String(), "/v2/app/manifests/"+oci.HiddenTag(name)
	f.do(http.MethodPut, path, body, "Content-Type", imageManifest)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && r.URL.Path == path && f.registry.has("app", oci.HiddenTag(name)) {
			w.WriteHeader(http.StatusConflict)
			return true
		}
		return false
	})
	f.registry.seen()
	got := f.do(http.MethodDelete, path, nil)
	want := []string{"DELETE " + path, "HEAD " + tagPath, "DELETE " + tagPath, "DELETE " + path}
	if seen := f.registry.seen(); got.status != http.StatusAccepted || !slices.Equal(seen, want) {
		t.Errorf("%d, the registry saw %v", got.status, seen)
	}
	if list := f.list("app", subject); len(list) != 0 {
		t.Errorf("still listed: %v", list)
	}
}

// What is not shown to be the hidden tag of the referrer is not deleted for it.
func TestWhatIsNoHiddenTagStaysBeforeItsReferrer(t *testing.T) {
	for name, stands := range map[string]func(w http.ResponseWriter, f *fixture, tag string){
		"another manifest": func(_ http.ResponseWriter, f *fixture, tag string) { f.registry.put("app", image("theirs"), tag) },
		"not to be read":   func(w http.ResponseWriter, _ *fixture, _ string) { w.WriteHeader(http.StatusForbidden) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			subject := f.registry.put("app", image("subject"))
			body := referrer("a", subject)
			f.push("app", body)
			path, tag := "/v2/app/manifests/"+digest.FromBytes(body).String(), oci.HiddenTag(digest.FromBytes(body))
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.Method == http.MethodDelete && r.URL.Path == path:
					w.WriteHeader(http.StatusConflict)
					return true
				case strings.HasSuffix(r.URL.Path, tag):
					stands(w, f, tag)
					return name == "not to be read"
				default:
					return false
				}
			})
			f.registry.seen()
			if got := f.do(http.MethodDelete, path, nil); got.status != http.StatusConflict {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if seen := f.registry.seen(); slices.Contains(seen, "DELETE /v2/app/manifests/"+tag) {
				t.Errorf("the registry saw %v", seen)
			}
			if list := f.list("app", subject); len(list) != 1 {
				t.Errorf("listed: %v", list)
			}
		})
	}
}

// A registry may delete a manifest with its tag.
func TestAReferrerGoesWithItsHiddenTag(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	body := referrer("a", subject)
	f.push("app", body)
	path, tag := "/v2/app/manifests/"+digest.FromBytes(body).String(), oci.HiddenTag(digest.FromBytes(body))
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodDelete && r.URL.Path == path && f.registry.has("app", digest.FromBytes(body).String()):
			w.WriteHeader(http.StatusConflict)
		case r.Method == http.MethodDelete && r.URL.Path == path:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, tag):
			f.registry.drop("app", digest.FromBytes(body))
			w.WriteHeader(http.StatusAccepted)
		default:
			return false
		}
		return true
	})
	if got := f.do(http.MethodDelete, path, nil); got.status != http.StatusAccepted || len(got.body) > 0 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if list := f.list("app", subject); len(list) != 0 {
		t.Errorf("still listed: %v", list)
	}
}

// has tells whether a manifest is there.
func (o *oddRegistry) has(repository, reference string) bool {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	_, found := o.manifests[repository+"@"+reference]
	return found
}

// A tag of that form that stands for something else is just a tag, and listed;
// one that the index doesn't know is looked at, and one that leads nowhere
// leads nobody.
func TestOnlyHiddenTagsInDeedAreHidden(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"), "v1")
	f.push("app", referrer("known", subject))
	past := referrer("past", subject)
	f.registry.put("app", past, oci.HiddenTag(digest.FromBytes(past)))
	foreign, own := oci.HiddenTag(digest.FromString("foreign")), oci.HiddenTag(digest.FromBytes(image("own")))
	f.registry.put("app", image("other"), foreign)
	f.registry.put("app", image("own"), own)
	gone := oci.HiddenTag(digest.FromString("gone"))
	tags := []string{"v1", oci.HiddenTag(digest.FromBytes(referrer("known", subject))), oci.HiddenTag(digest.FromBytes(past)), foreign, own, gone}
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			_, _ = w.Write([]byte(`{"name":"app","tags":["` + strings.Join(tags, `","`) + `"]}`))
			return true
		}
		return false
	})
	got := f.do(http.MethodGet, "/v2/app/tags/list", nil)
	if want := `["v1","` + foreign + `","` + own + `"]`; got.status != http.StatusOK || !strings.Contains(string(got.body), want) {
		t.Errorf("%d %s, want the tags %s", got.status, got.body, want)
	}
}
