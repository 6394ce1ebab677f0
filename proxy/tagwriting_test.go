package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// tagged returns what the upstream's tag stands for.
func (f *fixture) tagged(repository, tag string) string {
	f.registry.mutex.Lock()
	defer f.registry.mutex.Unlock()
	return string(f.registry.manifests[repository+"@"+tag])
}

// The tag may be all that holds an image.
func TestAListOfReferrersDoesNotTakeAnImagesTag(t *testing.T) {
	child := image("child")
	for name, body := range map[string][]byte{"an image": image("single"), "an image of several platforms": indexOf(child)} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.registry.put("app", child)
			subject, tag := digest.FromBytes(body), oci.ReferrersTag(digest.FromBytes(body))
			f.registry.put("app", body, tag)
			one, two := referrer("one", subject), referrer("two", subject)
			f.registry.put("app", one)
			f.registry.put("app", two)
			for what, list := range map[string][]byte{
				"a list":                       indexOf(one),
				"a list added to the image":    indexOf(child, two),
				"a list of what has gone":      indexOf(referrer("gone", subject)),
				"an empty list":                indexOf(),
				"a list with one that is gone": indexOf(one, referrer("gone", subject)),
			} {
				got := f.do(http.MethodPut, tagPath("app", subject), list, "Content-Type", imageIndex)
				if got.status != http.StatusCreated || got.header.Get("Docker-Content-Digest") != digest.FromBytes(list).String() {
					t.Errorf("%s: status %d, %v: %s", what, got.status, got.header, got.body)
				}
				if f.tagged("app", tag) != string(body) {
					t.Errorf("%s took the tag", what)
				}
				if f.tagged("app", digest.FromBytes(list).String()) != string(list) {
					t.Errorf("%s is not there by its digest", what)
				}
			}
			if got := f.list("app", subject); !slices.Equal(got, sorted(one, two)) {
				t.Errorf("listed: %v", got)
			}
			// With the image's digest for a condition it is the same.
			got := f.do(http.MethodPut, tagPath("app", subject), indexOf(two), "Content-Type", imageIndex, "If-Match", quoted(body))
			if got.status != http.StatusCreated || f.tagged("app", tag) != string(body) {
				t.Errorf("with a condition: status %d", got.status)
			}
		})
	}
}

// An image that backref won't read, because there is more in it than the limits
// allow or clients may read it in two ways, is an image all the same.
func TestAListOfReferrersDoesNotTakeTheTagOfAnUnreadableImage(t *testing.T) {
	for name, body := range map[string][]byte{
		"more annotations than the limit": []byte(`{"schemaVersion":2,"mediaType":"` + imageManifest + `","layers":[],"annotations":{"a":"1","b":"2","c":"3"}}`),
		"a field given twice":             []byte(`{"schemaVersion":2,"mediaType":"` + imageManifest + `","layers":[],"layers":[]}`),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(cfg *config.Config) { cfg.Limits.ManifestAnnotations = 2 })
			subject, tag := digest.FromBytes(body), oci.ReferrersTag(digest.FromBytes(body))
			f.registry.put("app", body, tag)
			one := referrer("one", subject)
			f.registry.put("app", one)
			list := indexOf(one)
			if got := f.do(http.MethodPut, tagPath("app", subject), list, "Content-Type", imageIndex); got.status != http.StatusCreated {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if f.tagged("app", tag) != string(body) {
				t.Error("the list took the tag")
			}
			if f.tagged("app", digest.FromBytes(list).String()) != string(list) {
				t.Error("the list is not there by its digest")
			}
		})
	}
	t.Run("it is pulled as it is", func(t *testing.T) {
		f := newFixture(t, func(cfg *config.Config) { cfg.Limits.ManifestAnnotations = 2 })
		body := []byte(`{"schemaVersion":2,"mediaType":"` + imageManifest + `","layers":[],"annotations":{"a":"1","b":"2","c":"3"}}`)
		f.registry.put("app", body, oci.ReferrersTag(digest.FromBytes(body)))
		if got := f.do(http.MethodGet, tagPath("app", digest.FromBytes(body)), nil, "Accept", imageManifest); got.status != http.StatusOK || string(got.body) != string(body) {
			t.Errorf("status %d: %s", got.status, got.body)
		}
	})
}

// What is no list of referrers goes where its client wants it.
func TestWhatElseIsPushedUnderAReferrersTag(t *testing.T) {
	f := newFixture(t)
	child := image("child")
	f.registry.put("app", child)
	self := image("subject")
	subject := f.registry.put("app", self)
	tag := oci.ReferrersTag(subject)
	one := referrer("one", subject)
	f.registry.put("app", one)
	for _, c := range []struct {
		what, mediaType string
		body            []byte
	}{
		{"a list where there is nothing", imageIndex, indexOf(one)},
		{"the image itself", imageManifest, self},
		{"another image", imageManifest, image("another")},
		{"another image of several platforms", imageIndex, indexOf(child)},
		{"the image again", imageManifest, self},
		{"what can't be read", "application/vnd.example.x", []byte(`{"x":1}`)},
	} {
		got := f.do(http.MethodPut, tagPath("app", subject), c.body, "Content-Type", c.mediaType)
		if got.status != http.StatusCreated || f.tagged("app", tag) != string(c.body) {
			t.Errorf("%s: status %d, the tag stands for %s", c.what, got.status, f.tagged("app", tag))
		}
	}
	// A list of nothing that is there makes room, too.
	f.registry.put("app", indexOf(referrer("gone", subject)), tag)
	list := indexOf(one)
	if got := f.do(http.MethodPut, tagPath("app", subject), list, "Content-Type", imageIndex); got.status != http.StatusCreated || f.tagged("app", tag) != string(list) {
		t.Errorf("over a list: status %d", got.status)
	}
}

// A client that may push and not read is not held up by our questions.
func TestAQuestionThatFailsDecidesNothingOverAPush(t *testing.T) {
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError} {
		f := newFixture(t)
		subject := f.registry.put("app", image("subject"))
		one := referrer("one", subject)
		f.registry.put("app", one)
		f.registry.answer(status(code, func(r *http.Request) bool { return r.Method != http.MethodPut }))
		list := indexOf(one)
		got := f.do(http.MethodPut, tagPath("app", subject), list, "Content-Type", imageIndex)
		if got.status != http.StatusCreated || f.tagged("app", oci.ReferrersTag(subject)) != string(list) {
			t.Errorf("%d: status %d: %s", code, got.status, got.body)
		}
		f.registry.answer(nil)
		if got := f.list("app", subject); !slices.Equal(got, sorted(one)) {
			t.Errorf("%d: listed %v", code, got)
		}
	}
}

// A condition names what the client read: the upstream's tag, or what was
// served in its place.
func TestAConditionOnAServedListing(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	one, two, three := referrer("one", subject), referrer("two", subject), referrer("three", subject)
	var seen []string
	f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && isReferrersTag(r) && !strings.HasSuffix(r.URL.Path, ".referrer") {
			seen = append(seen, fmt.Sprint(r.Header.Get("If-Match"), r.Header.Get("If-None-Match")))
		}
		return false
	})
	push := func(list []byte, condition, tag string) int {
		t.Helper()
		return f.do(http.MethodPut, tagPath("app", subject), list, "Content-Type", imageIndex, condition, tag).status
	}
	f.push("app", one)
	served, _ := f.underTag("app", subject)
	f.push("app", two)
	if got := push(indexOf(one), "If-Match", served.header.Get("ETag")); got != http.StatusPreconditionFailed {
		t.Errorf("a listing that has changed: status %d", got)
	}
	served, _ = f.underTag("app", subject)
	if got := push(indexOf(one, two), "If-Match", served.header.Get("ETag")); got != http.StatusCreated {
		t.Errorf("the listing in the place of no tag: status %d", got)
	}
	f.push("app", three)
	written := indexOf(one, two)
	served, _ = f.underTag("app", subject)
	if got := push(indexOf(one, two, three), "If-Match", quoted(indexOf(one))); got != http.StatusPreconditionFailed {
		t.Errorf("what was never there: status %d", got)
	}
	if got := push(indexOf(one), "If-None-Match", "*"); got != http.StatusPreconditionFailed {
		t.Errorf("a tag that is there: status %d", got)
	}
	if got := push(indexOf(one, three), "If-Match", served.header.Get("ETag")); got != http.StatusCreated {
		t.Errorf("the listing in the place of an older tag: status %d", got)
	}
	if got := push(indexOf(two), "If-Match", quoted(indexOf(one, three))); got != http.StatusCreated {
		t.Errorf("the upstream's own: status %d", got)
	}
	if want := []string{"*", quoted(written), quoted(indexOf(one, three))}; !slices.Equal(seen, want) {
		t.Errorf("the registry was asked for %q, want %q", seen, want)
	}
	// Nothing is lost by what they left out.
	if got := f.list("app", subject); !slices.Equal(got, sorted(one, two, three)) {
		t.Errorf("listed %v", got)
	}
	fresh := f.registry.put("app", image("fresh"))
	f.push("app", referrer("of fresh", fresh))
	if got := f.do(http.MethodPut, tagPath("app", fresh), indexOf(), "Content-Type", imageIndex, "If-None-Match", "*"); got.status != http.StatusCreated {
		t.Errorf("where there is no tag upstream: status %d", got.status)
	}
}

// Clients that keep the tag as they always did, each from what it has read, and
// clients that know the API: nobody loses anything, by either way.
func TestOldAndNewClientsAtOnce(t *testing.T) {
	const each = 16
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	var all [][]byte
	var group sync.WaitGroup
	for i := range 2 * each {
		m := referrer(fmt.Sprint("n", i), subject)
		all = append(all, m)
		group.Go(func() {
			if i%2 == 0 {
				f.push("app", m)
				return
			}
			// It knows what it has read before its own push only.
			f.registry.put("app", m)
			before := f.do(http.MethodGet, tagPath("app", subject), nil, "Accept", acceptORAS)
			list := indexOf(m)
			if before.status == http.StatusOK {
				head, tail, _ := strings.Cut(string(before.body), `"manifests":[`)
				list = fmt.Appendf(nil, `%s"manifests":[{"mediaType":%q,"digest":%q,"size":%d},%s`, head, imageManifest, digest.FromBytes(m), len(m), tail)
			}
			if got := f.do(http.MethodPut, tagPath("app", subject), list, "Content-Type", imageIndex); got.status != http.StatusCreated {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if old := before.header.Get("Docker-Content-Digest"); old != "" {
				f.do(http.MethodDelete, "/v2/app/manifests/"+old, nil)
			}
		})
	}
	group.Wait()
	if got := f.list("app", subject); !slices.Equal(got, sorted(all...)) {
		t.Errorf("the API lists %d of %d", len(got), len(all))
	}
	if _, digests := f.underTag("app", subject); !slices.Equal(digests, sorted(all...)) {
		t.Errorf("the tag lists %d of %d", len(digests), len(all))
	}
}
