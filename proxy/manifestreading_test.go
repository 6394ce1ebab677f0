package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// untyped is a referrer of which nothing tells what media type it is.
func untyped(name string, subject digest.Digest) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"annotations":{"name":%q},"subject":{"mediaType":%q,"digest":%q,"size":1}}`, name, imageManifest, subject)
}

// A referrers tag is read in one way, whoever asks: what is an error of the
// listing is no shorter list under the tag.
func TestATagIsReadAsTheListingReadsIt(t *testing.T) {
	subject := image("subject")
	about := digest.FromBytes(subject)
	one, two, three, odd := referrer("one", about), referrer("two", about), referrer("three", about), untyped("odd", about)
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, imageManifest, digest.FromBytes(one), len(one))
	for name, c := range map[string]struct {
		tagged []byte
		status int
		limit  func(*config.Limits)
		// other says that the tag is shown to stand for no list.
		other bool
	}{
		"a list longer than a manifest may be": {indexOf(one, two, three), http.StatusOK, func(l *config.Limits) { l.ManifestDescriptors = 2 }, false},
		"an entry of unknown type":             {indexOf(one, odd), http.StatusBadGateway, nil, false},
		"a list that is read differently":      {fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s],"manifests":[]}`, imageIndex, entry), http.StatusBadGateway, nil, false},
		"more entries than are read":           {indexOf(one, two, three), http.StatusBadGateway, func(l *config.Limits) { l.TagEntries = 2 }, false},
		"no list at all":                       {[]byte(`{"schemaVersion":2,"mediaType":"` + imageIndex + `","manifests":5}`), http.StatusOK, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(cfg *config.Config) {
				if c.limit != nil {
					c.limit(&cfg.Limits)
				}
			})
			for _, manifest := range [][]byte{subject, one, two, three, odd} {
				f.registry.put("app", manifest)
			}
			f.registry.put("app", c.tagged, oci.ReferrersTag(about))
			// The index knows of one more than the tag.
			f.push("app", referrer("four", about))
			for _, request := range [][]string{
				{"/v2/app/referrers/" + about.String(), "*/*"}, {tagPath("app", about), acceptContainerd}, {tagPath("app", about), acceptCrane},
			} {
				path, accept := request[0], request[1]
				got := f.do(http.MethodGet, path, nil, "Accept", accept)
				if got.status != c.status || got.status != http.StatusOK && got.header.Get("Retry-After") == "" {
					t.Errorf("%s: status %d, want %d: %s", path, got.status, c.status, got.body)
				}
				if accept == acceptCrane && c.other {
					if string(got.body) != string(c.tagged) {
						t.Errorf("%s: what is no list does not pass: %s", path, got.body)
					}
					continue
				}
				if got.status == http.StatusOK && !slices.Contains(listed(t, got.body), digest.FromBytes(referrer("four", about))) {
					t.Errorf("%s: a short list: %s", path, got.body)
				}
			}
		})
	}
}

// An image of several platforms passes under such a tag whatever becomes of the
// index, which is asked for what the tag lists only to spare questions.
func TestWithoutTheIndexAnImageOfSeveralPlatformsPasses(t *testing.T) {
	f := newFixtureWith(t, lostStore{newFixture(t).store})
	subject, child := f.registry.put("app", image("subject")), image("child")
	f.registry.put("app", child)
	f.registry.put("app", indexOf(child), oci.ReferrersTag(subject))
	if got := f.do(http.MethodGet, tagPath("app", subject), nil, "Accept", acceptCrane); got.status != http.StatusOK || string(got.body) != string(indexOf(child)) {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// What a registry lists by its own API is read in one way, by whatever name the
// registry is called.
func TestNativeEntriesAreReadAlikeByAnyName(t *testing.T) {
	subject := image("subject")
	about := digest.FromBytes(subject)
	good, alien, odd := referrer("good", about), referrer("alien", digest.FromString("another")), untyped("odd", about)
	withoutType := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"digest":%q,"size":%d}]}`, imageIndex, digest.FromBytes(odd), len(odd))
	for name, c := range map[string]struct {
		list   []byte
		status int
		want   []digest.Digest
	}{
		"one has another subject":        {indexOf(good, alien), http.StatusOK, sorted(good)},
		"the entry tells the type":       {indexOf(good, odd), http.StatusOK, sorted(good, odd)},
		"nothing tells the type":         {withoutType, http.StatusBadGateway, nil},
		"one can't be had, and is shown": {indexOf(good, referrer("gone", about)), http.StatusOK, sorted(good, referrer("gone", about))},
	} {
		for _, by := range []string{"", "?ns=a.example"} {
			t.Run(name+by, func(t *testing.T) {
				f := newFixture(t)
				for _, manifest := range [][]byte{subject, good, alien, odd} {
					f.registry.put("app", manifest)
				}
				f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
					if !isReferrers(r) {
						return false
					}
					w.Header().Set("Content-Type", imageIndex)
					_, _ = w.Write(c.list)
					return true
				})
				got := f.do(http.MethodGet, "/v2/app/referrers/"+about.String()+by, nil)
				if got.status != c.status {
					t.Fatalf("status %d, want %d: %s", got.status, c.status, got.body)
				}
				if got.status != http.StatusOK {
					return
				}
				if shown := listed(t, got.body); !slices.Equal(shown, c.want) {
					t.Errorf("listed %v, want %v", shown, c.want)
				}
				// The manifest speaks for itself where it can be read.
				if slices.Contains(c.want, digest.FromBytes(odd)) && !strings.Contains(string(got.body), `"name":"odd"`) {
					t.Errorf("the entry is not the manifest's: %s", got.body)
				}
			})
		}
	}
}

// A tag that stands for no list is no reason for an error, by whatever name.
func TestATagThatIsNoListIsNoErrorByAnotherName(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	one := referrer("one", subject)
	f.push("app", one)
	for _, tagged := range []string{
		`{"schemaVersion":2,"mediaType":"` + imageIndex + `","manifests":5}`,
		`{"schemaVersion":2,"mediaType":"` + imageIndex + `","manifests":[{"mediaType":"` + imageManifest + `","digest":"sha256:x","size":1}]}`,
		`{"schemaVersion":2,"mediaType":"` + imageManifest + `"}`,
	} {
		f.registry.put("app", []byte(tagged), oci.ReferrersTag(subject))
		if got := f.listAs("a.example", subject); !slices.Equal(got, sorted(one)) {
			t.Errorf("%s: listed %v", tagged, got)
		}
	}
}

// A registry that answers no HEAD has the manifest asked for: for the tags of
// the catalog too.
func TestTagsAreResolvedWithoutHead(t *testing.T) {
	f := newFixture(t)
	tagged := f.registry.put("app", image("tagged"), "v1")
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodHead:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case strings.HasSuffix(r.URL.Path, "/tags/list"):
			_, _ = w.Write([]byte(`{"name":"app","tags":["v1"]}`))
		default:
			return false
		}
		return true
	})
	got := f.do(http.MethodGet, "/v2/app/_backref/catalog/tags", nil)
	if got.status != http.StatusOK || !strings.Contains(string(got.body), tagged.String()) {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// A list of referrers that the registry tells of may be longer than a manifest
// that is recorded.
func TestEventOfALongReferrersTag(t *testing.T) {
	f := newEventsFixture(t, func(cfg *config.Config) { cfg.Limits.ManifestDescriptors = 2 })
	subject := f.registry.put("app", image("subject"))
	f.wantListed(subject)
	var all [][]byte
	for _, name := range []string{"one", "two", "three"} {
		all = append(all, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"annotations":{"name":%q},"subject":{"digest":%q}}`, imageManifest, name, subject))
		f.registry.put("app", all[len(all)-1])
	}
	list := indexOf(all...)
	f.registry.put("app", list, oci.ReferrersTag(subject))
	f.tell(http.StatusNoContent, event("push", imageIndex, list, oci.ReferrersTag(subject)))
	f.wantListed(subject, sorted(all...)...)
	f.wantCounted("push", "imported", 1)
}
