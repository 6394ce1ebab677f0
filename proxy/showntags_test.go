package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// tagsOf has the registry list tags of the repository app.
func (f *fixture) tagsOf(tags ...string) {
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v2/app/tags/list" {
			return false
		}
		encoded, _ := json.Marshal(tags)
		_, _ = fmt.Fprintf(w, `{"name":"app","tags":%s}`, encoded)
		return true
	})
}

// shown returns the tags that the proxy lists.
func (f *fixture) shown() []string {
	f.t.Helper()
	var list struct{ Tags []string }
	got := f.do(http.MethodGet, "/v2/app/tags/list", nil)
	if err := json.Unmarshal(got.body, &list); err != nil || got.status != http.StatusOK {
		f.t.Fatalf("status %d: %s", got.status, got.body)
	}
	return list.Tags
}

func TestOnlyReferrersTagsInDeedAreHidden(t *testing.T) {
	f := newFixture(t)
	var tags, want []string
	put := func(shown bool, subject string, body []byte, others ...[]byte) {
		tag := oci.ReferrersTag(digest.FromString(subject))
		f.registry.put("app", body, tag)
		for _, other := range others {
			f.registry.put("app", other)
		}
		if tags = append(tags, tag); shown {
			want = append(want, tag)
		}
	}
	about := func(subject string) []byte { return referrer("x", digest.FromString(subject)) }
	put(false, "a", indexOf(about("a")), about("a"))
	put(false, "gone in part", indexOf(about("gone in part"), image("gone")), about("gone in part"))
	put(true, "image", image("image"))
	put(true, "multi-arch", indexOf(image("amd64"), image("arm64")), image("amd64"), image("arm64"))
	put(true, "mixed", indexOf(about("mixed"), image("amd64")), about("mixed"))
	put(true, "of another", indexOf(about("a")))
	put(true, "empty", indexOf())
	put(true, "referrer", about("referrer"))
	put(true, "no manifest", []byte(`{"mediaType":"text/plain"}`))
	put(true, "cache", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":1}]}`,
		imageIndex, digest.FromString("layer")))
	self := indexOf(image("amd64"))
	f.registry.put("app", self, oci.ReferrersTag(digest.FromBytes(self)))
	tags, want = append(tags, oci.ReferrersTag(digest.FromBytes(self)), "v1"), append(want, oci.ReferrersTag(digest.FromBytes(self)), "v1")
	f.tagsOf(tags...)
	if got := f.shown(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for _, tag := range tags {
		got := f.do(http.MethodGet, "/v2/app/referrers/"+strings.Replace(tag, "-", ":", 1), nil)
		if tag != "v1" && got.status != http.StatusOK {
			t.Errorf("listing of %s: status %d: %s", tag, got.status, got.body)
		}
	}
	got := f.do(http.MethodGet, "/v2/app/_backref/catalog/tags?n=100", nil)
	for _, tag := range tags {
		if strings.Contains(string(got.body), tag) != slices.Contains(want, tag) {
			t.Errorf("the catalog shows %s: %t", tag, !slices.Contains(want, tag))
		}
	}
}

// A list of which something was gone is looked at again: what comes back may be
// an image.
func TestAListWithGapsIsJudgedAnew(t *testing.T) {
	f := newFixture(t)
	subject := digest.FromString("subject")
	list, listed := oci.ReferrersTag(subject), referrer("x", subject)
	f.registry.put("app", listed)
	f.registry.put("app", indexOf(listed, image("amd64")), list)
	f.tagsOf(list)
	for range 2 {
		if got := f.shown(); len(got) != 0 {
			t.Errorf("a list of referrers is shown: %q", got)
		}
	}
	f.registry.put("app", image("amd64"))
	if got := f.shown(); !slices.Equal(got, []string{list}) {
		t.Errorf("got %q", got)
	}
}

// To show or to hide without having looked would be wrong either way.
func TestTagsThatCantBeJudgedAreNoList(t *testing.T) {
	subject := digest.FromString("subject")
	tag, listed := oci.ReferrersTag(subject), referrer("x", subject)
	for name, failing := range map[string]string{"the tag": tag, "an entry": digest.FromBytes(listed).String()} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.registry.put("app", indexOf(listed), tag)
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.URL.Path == "/v2/app/tags/list":
					_, _ = fmt.Fprintf(w, `{"name":"app","tags":[%q]}`, tag)
				case strings.HasSuffix(r.URL.Path, failing):
					w.WriteHeader(http.StatusInternalServerError)
				default:
					return false
				}
				return true
			})
			if got := f.do(http.MethodGet, "/v2/app/tags/list", nil); got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
				t.Errorf("status %d, %v: %s", got.status, got.header, got.body)
			}
		})
	}
}

func TestTagsAreAskedForOnce(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) { cfg.Referrers.RecheckTag = time.Hour })
	subject := digest.FromString("subject")
	list, listed := oci.ReferrersTag(subject), referrer("x", subject)
	self := oci.ReferrersTag(digest.FromBytes(image("self")))
	if got := f.push("app", listed); got.status != http.StatusCreated {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	f.registry.put("app", indexOf(listed), list)
	f.registry.put("app", image("self"), self)
	f.tagsOf(list, self)
	f.registry.seen()
	f.shown()
	// The entry's subject is in the index.
	want := []string{"GET /v2/app/manifests/" + list, "GET /v2/app/tags/list", "GET /v2/app/manifests/" + self}
	slices.Sort(want)
	if got := f.registry.seen(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("asked %q\nwant %q", got, want)
	}
	f.shown()
	if got := f.registry.seen(); !slices.Equal(got, []string{"GET /v2/app/tags/list"}) {
		t.Errorf("asked %q again", got)
	}
	// A tag that a client moves is asked for anew.
	if got := f.do(http.MethodPut, "/v2/app/manifests/"+list, image("moved"), "Content-Type", imageManifest); got.status != http.StatusCreated {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if got := f.shown(); !slices.Equal(got, []string{list, self}) {
		t.Errorf("got %q", got)
	}
}

// What is known of a manifest is not read again.
func TestTagsThatStayAreOnlyLookedUp(t *testing.T) {
	f := newFixture(t)
	list, listed := oci.ReferrersTag(digest.FromString("subject")), referrer("x", digest.FromString("subject"))
	self := oci.ReferrersTag(digest.FromBytes(image("self")))
	f.registry.put("app", listed)
	f.registry.put("app", indexOf(listed), list)
	f.registry.put("app", image("self"), self)
	f.tagsOf(list, self)
	f.shown()
	f.registry.seen()
	if got := f.shown(); !slices.Equal(got, []string{self}) {
		t.Errorf("got %q", got)
	}
	want := []string{"GET /v2/app/tags/list", "HEAD /v2/app/manifests/" + list, "HEAD /v2/app/manifests/" + self}
	slices.Sort(want)
	if got := f.registry.seen(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("asked %q\nwant %q", got, want)
	}
}

// No more tags are judged than a page shows.
func TestTagsBehindAPageAreNotJudged(t *testing.T) {
	f := newFixture(t)
	var tags []string
	for i := range 1000 {
		tags = append(tags, "sha256-"+digest.FromString(fmt.Sprint(i)).Encoded())
	}
	f.tagsOf(tags...)
	if got := f.do(http.MethodGet, "/v2/app/tags/list?n=2", nil); got.status != http.StatusOK || got.header.Get("Link") == "" {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if got := len(f.registry.seen()); got > 110 {
		t.Errorf("the registry was asked %d times", got)
	}
}

// An image that is pushed under its own digest, as oc-mirror and cosign do.
func TestAPushUnderTheOwnDigestIsAnImage(t *testing.T) {
	f := newFixture(t)
	multi := indexOf(image("amd64"))
	tag := oci.ReferrersTag(digest.FromBytes(multi))
	f.registry.put("app", image("amd64"))
	if got := f.do(http.MethodPut, "/v2/app/manifests/"+tag, multi, "Content-Type", imageIndex); got.status != http.StatusCreated {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if got := f.list("app", digest.FromBytes(multi)); len(got) > 0 {
		t.Errorf("listed %v", got)
	}
	signature := referrer("signature", digest.FromBytes(multi))
	if got := f.push("app", signature); got.status != http.StatusCreated {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	if got := f.list("app", digest.FromBytes(multi)); !slices.Equal(got, []digest.Digest{digest.FromBytes(signature)}) {
		t.Errorf("listed %v", got)
	}
	if got := f.do(http.MethodGet, "/v2/app/manifests/"+tag, nil); got.status != http.StatusOK || string(got.body) != string(multi) {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}
