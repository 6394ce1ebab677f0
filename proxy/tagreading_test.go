package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// What clients accept when they read a manifest by tag, as recorded.
const (
	acceptORAS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, " +
		"application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.oci.artifact.manifest.v1+json"
	acceptContainerd = "application/vnd.oci.image.index.v1+json, */*"
	acceptCrane      = "application/vnd.docker.distribution.manifest.v1+json,application/vnd.docker.distribution.manifest.v1+prettyjws," +
		"application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.manifest.v1+json," +
		"application/vnd.docker.distribution.manifest.list.v2+json,application/vnd.oci.image.index.v1+json"
	acceptRegctl = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
		"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, " +
		"application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json, " +
		"application/vnd.oci.artifact.manifest.v1+json"
	acceptSkopeo = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, " +
		"application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json, " +
		"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"
	acceptContainerdPull = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, " +
		"application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*"
)

func tagPath(repository string, subject digest.Digest) string {
	return "/v2/" + repository + "/manifests/" + oci.ReferrersTag(subject)
}

// underTag reads the referrers tag, which has to be answered by a listing, and
// returns it with the digests of its entries.
func (f *fixture) underTag(repository string, subject digest.Digest, headers ...string) (reply, []digest.Digest) {
	f.t.Helper()
	got := f.do(http.MethodGet, tagPath(repository, subject), nil, headers...)
	if got.status != http.StatusOK {
		f.t.Fatalf("referrers tag: status %d: %s", got.status, got.body)
	}
	f.wantManifest(got, got.body)
	head := f.do(http.MethodHead, tagPath(repository, subject), nil, headers...)
	if head.status != http.StatusOK || len(head.body) > 0 {
		f.t.Fatalf("HEAD: status %d: %s", head.status, head.body)
	}
	f.wantManifest(head, got.body)
	var list struct {
		Manifests []struct{ Digest digest.Digest }
	}
	if err := json.Unmarshal(got.body, &list); err != nil {
		f.t.Fatal(err)
	}
	var digests []digest.Digest
	for _, entry := range list.Manifests {
		digests = append(digests, entry.Digest)
	}
	slices.Sort(digests)
	return got, digests
}

// wantManifest compares what the header says with an image index.
func (f *fixture) wantManifest(got reply, body []byte) {
	f.t.Helper()
	sum := digest.FromBytes(body)
	for name, want := range map[string]string{
		"Content-Type": imageIndex, "Content-Length": fmt.Sprint(len(body)), "Docker-Content-Digest": sum.String(),
	} {
		if got.header.Get(name) != want {
			f.t.Errorf("%s %q, want %q", name, got.header.Get(name), want)
		}
	}
}

func TestTheReferrersTagShowsTheListing(t *testing.T) {
	for name, cfg := range map[string]config.Referrers{"fresh": {FallbackTags: config.FallbackImport, TagListingTTL: time.Hour}, "remembered": config.Default().Referrers} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(c *config.Config) { c.Referrers = cfg })
			subject := f.registry.put("app", image("subject"))
			one, two, three, four := referrer("one", subject), referrer("two", subject), referrer("three", subject), referrer("four", subject)
			f.push("app", one)
			f.push("app", two)
			got, digests := f.underTag("app", subject)
			if !slices.Equal(digests, sorted(one, two)) {
				t.Errorf("the tag is not there: got %v", digests)
			}
			listing := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
			if string(got.body) != string(listing.body) {
				t.Errorf("the tag shows  %s\nthe API shows %s", got.body, listing.body)
			}
			if got := f.do(http.MethodGet, tagPath("app", subject), nil, "If-None-Match", got.header.Get("ETag")); got.status != http.StatusNotModified {
				t.Errorf("with its ETag: status %d", got.status)
			}

			// One that was written past the proxy, before all of them were there.
			f.registry.put("app", three)
			f.registry.put("app", indexOf(one, three), oci.ReferrersTag(subject))
			for range 2 {
				if _, digests := f.underTag("app", subject); !slices.Equal(digests, sorted(one, two, three)) {
					t.Errorf("the tag is older: got %v", digests)
				}
			}
			if got := f.list("app", subject); !slices.Equal(got, sorted(one, two, three)) {
				t.Errorf("the API shows %v", got)
			}
			f.push("app", four)
			if _, digests := f.underTag("app", subject); !slices.Equal(digests, sorted(one, two, three, four)) {
				t.Errorf("after another push: got %v", digests)
			}
		})
	}
}

// In the tag of a long digest half of it is missing.
func TestTheTagOfALongDigestShowsTheListing(t *testing.T) {
	f := newFixture(t)
	subject := digest.SHA512.FromBytes(image("subject"))
	if got := f.do(http.MethodGet, tagPath("app", subject), nil); got.status != http.StatusNotFound {
		t.Errorf("without referrers: status %d", got.status)
	}
	one, two := referrer("one", subject), referrer("two", subject)
	f.push("app", one)
	if _, digests := f.underTag("app", subject); !slices.Equal(digests, sorted(one)) {
		t.Errorf("the tag is not there: got %v", digests)
	}
	f.registry.put("app", two)
	f.registry.put("app", indexOf(two), oci.ReferrersTag(subject))
	if _, digests := f.underTag("app", subject); !slices.Equal(digests, sorted(one, two)) {
		t.Errorf("the tag is older: got %v", digests)
	}
}

// What says the same already is what the registry has, byte for byte.
func TestATagThatSaysTheSamePassesAsItCame(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	one, two := referrer("one", subject), referrer("two", subject)
	f.push("app", one)
	f.push("app", two)
	_, listing := f.underTag("app", subject)
	var entries []string
	for i := len(listing) - 1; i >= 0; i-- {
		m := map[digest.Digest][]byte{digest.FromBytes(one): one, digest.FromBytes(two): two}[listing[i]]
		what := map[digest.Digest]string{digest.FromBytes(one): "one", digest.FromBytes(two): "two"}[listing[i]]
		entries = append(entries, fmt.Sprintf(`{ "artifactType":"application/vnd.example.%s","size":%d,"digest":%q,"mediaType":%q}`, what, len(m), listing[i], imageManifest))
	}
	written := fmt.Appendf(nil, `{"mediaType":%q,"manifests":[%s],"schemaVersion":2}`, imageIndex, strings.Join(entries, ", "))
	f.registry.put("app", written, oci.ReferrersTag(subject))
	if got, _ := f.underTag("app", subject); string(got.body) != string(written) {
		t.Errorf("got %s\nwant %s", got.body, written)
	}
	f.push("app", referrer("three", subject))
	if got, digests := f.underTag("app", subject); string(got.body) == string(written) || len(digests) != 3 {
		t.Errorf("after a push got %s", got.body)
	}
}

// Where there are no referrers the registry speaks.
func TestAReferrersTagWithoutReferrers(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	if got := f.do(http.MethodGet, tagPath("app", subject), nil); got.status != http.StatusNotFound || string(got.body) != "404 page not found\n" {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if got := f.do(http.MethodHead, tagPath("app", subject), nil); got.status != http.StatusNotFound {
		t.Errorf("HEAD: status %d", got.status)
	}
	for name, stale := range map[string][]byte{"of one that has gone": indexOf(referrer("gone", subject)), "empty": indexOf()} {
		f.registry.put("app", stale, oci.ReferrersTag(subject))
		if got := f.do(http.MethodGet, tagPath("app", subject), nil); got.status != http.StatusOK || string(got.body) != string(stale) {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
	}
	// It gives way to what there is.
	one := referrer("one", subject)
	f.push("app", one)
	if _, digests := f.underTag("app", subject); !slices.Equal(digests, sorted(one)) {
		t.Errorf("got %v", digests)
	}
	off := newFixture(t, func(c *config.Config) { c.Referrers.FallbackTags = config.FallbackOff })
	subject = off.registry.put("app", image("subject"))
	off.push("app", referrer("one", subject))
	if got := off.do(http.MethodGet, tagPath("app", subject), nil); got.status != http.StatusNotFound {
		t.Errorf("with fallbackTags off: status %d", got.status)
	}
}

// An old client takes a 404 for an empty list.
func TestAFailingSourceIsAnErrorUnderTheTagToo(t *testing.T) {
	subjectBody := image("subject")
	subject := digest.FromBytes(subjectBody)
	listed := referrer("listed", subject)
	for name, fails := range map[string]func(*http.Request) bool{
		"the look-up of the subject": func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, subject.String()) && r.Method == http.MethodHead
		},
		"the tag itself":                isReferrersTag,
		"a manifest that the tag lists": func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, digest.FromBytes(listed).String()) },
		"the upstream's own referrers":  isReferrers,
	} {
		for _, code := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			t.Run(fmt.Sprint(name, code), func(t *testing.T) {
				f := newFixture(t)
				f.registry.put("app", subjectBody)
				f.registry.put("app", listed)
				if name != "the look-up of the subject" {
					f.registry.put("app", indexOf(listed), oci.ReferrersTag(subject))
				}
				f.registry.answer(status(code, fails))
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					got := f.do(method, tagPath("app", subject), nil)
					if got.status < 429 || code != http.StatusTooManyRequests && got.header.Get("Retry-After") == "" {
						t.Errorf("%s: status %d, header %v: %s", method, got.status, got.header, got.body)
					}
				}
			})
		}
	}
}

// lostStore is a store that can't be used.
type lostStore struct{ index.Store }

var errLost = errors.New("the database is away")

func (lostStore) Mark(context.Context) (index.Mark, error) { return 0, errLost }
func (lostStore) Get(context.Context, string, digest.Digest) (index.Record, error) {
	return index.Record{}, errLost
}
func (lostStore) Unsettled(context.Context, string, digest.Digest) ([]index.Intent, error) {
	return nil, errLost
}
func (lostStore) Referrers(context.Context, string, digest.Digest, index.Query) (index.Page, error) {
	return index.Page{}, errLost
}

func TestWithoutTheIndexTheTagIsAnErrorAndImagesPass(t *testing.T) {
	f := newFixtureWith(t, lostStore{newFixture(t).store})
	subject := f.registry.put("app", image("subject"))
	wantError := func(what string, headers ...string) {
		t.Helper()
		got := f.do(http.MethodGet, tagPath("app", subject), nil, headers...)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d: %s", what, got.status, got.body)
		}
	}
	wantError("the tag is not there")
	one := referrer("one", subject)
	f.registry.put("app", one)
	f.registry.put("app", indexOf(one), oci.ReferrersTag(subject))
	wantError("the tag has some")
	f.registry.put("app", image("subject"), oci.ReferrersTag(subject))
	wantError("the tag is an image, and referrers are wanted", "Accept", acceptContainerd)
	if got := f.do(http.MethodGet, tagPath("app", subject), nil, "Accept", acceptCrane); got.status != http.StatusOK || string(got.body) != string(image("subject")) {
		t.Errorf("pull of an image: status %d: %s", got.status, got.body)
	}
}

func TestAStrangerLearnsNothingFromTheTag(t *testing.T) {
	const secret = "Bearer of-the-owner"
	f := newFixture(t)
	ask := func(repository string, subject digest.Digest, method string) (reply, []string) {
		f.registry.seen()
		got := f.do(method, tagPath(repository, subject), nil)
		got.header.Del("Date")
		got.header.Del("X-Request-Id")
		return got, shape(f.registry.seen())
	}
	for name, written := range map[string]bool{"the tag is not there": false, "the tag is there": true} {
		subject := f.registry.put("app", image(name))
		one, two := referrer("one", subject), referrer("two", subject)
		f.push("app", one)
		f.push("app", two)
		if written {
			f.registry.put("app", indexOf(one), oci.ReferrersTag(subject))
		}
		f.registry.answer(hiding(secret))
		owned, _ := f.underTag("app", subject, "Authorization", secret)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			hidden, questions := ask("app", subject, method)
			nowhere, same := ask("nowhere", subject, method)
			if hidden.status != http.StatusNotFound || string(hidden.body) != string(nowhere.body) || fmt.Sprint(hidden.header) != fmt.Sprint(nowhere.header) {
				t.Errorf("%s, %s: a stranger got %d %s %v, in an unknown repository %s %v", name, method, hidden.status, hidden.body, hidden.header, nowhere.body, nowhere.header)
			}
			if !slices.Equal(questions, same) {
				t.Errorf("%s, %s: asked %v, in an unknown repository %v", name, method, questions, same)
			}
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
				f.registry.seen()
				served := f.do(method, "/v2/app/manifests/"+owned.header.Get("Docker-Content-Digest"), nil)
				questions := shape(f.registry.seen())
				unknown := f.do(method, "/v2/app/manifests/"+digest.FromString("made up").String(), nil)
				if served.status != http.StatusNotFound || string(served.body) != string(unknown.body) {
					t.Errorf("%s by digest: a stranger got %d %s", method, served.status, served.body)
				}
				if same := shape(f.registry.seen()); !slices.Equal(questions, same) {
					t.Errorf("%s by digest: asked %v, for one made up %v", method, questions, same)
				}
			}
		}
		f.registry.answer(nil)
	}
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	if got, _ := ask("app", digest.FromString("x"), http.MethodGet); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != "Basic" {
		t.Errorf("a challenge: status %d, %v", got.status, got.header)
	}
}

// Mirroring tools tag images with their own digests. Such an image is pulled by
// whoever wants one, and is not there for those that would delete it.
func TestAnImageUnderTheTagOfItself(t *testing.T) {
	single := image("single")
	child := image("child")
	elsewhere := image("elsewhere")
	for name, body := range map[string][]byte{"an image": single, "an image of several platforms": indexOf(child)} {
		f := newFixture(t)
		f.registry.put("app", child)
		subject := f.registry.put("app", body, oci.ReferrersTag(digest.FromBytes(body)))
		wantImage := func(method, accept string) {
			t.Helper()
			got := f.do(method, tagPath("app", subject), nil, "Accept", accept)
			if got.status != http.StatusOK || method == http.MethodGet && string(got.body) != string(body) || got.header.Get("Docker-Content-Digest") != subject.String() {
				t.Errorf("%s, %s %s: status %d: %s", name, method, accept, got.status, got.body)
			}
		}
		pulls := func() {
			t.Helper()
			for _, accept := range []string{acceptCrane, acceptRegctl, acceptSkopeo, acceptContainerdPull, "*/*", imageIndex, imageManifest} {
				wantImage(http.MethodGet, accept)
				wantImage(http.MethodHead, accept)
			}
			wantImage(http.MethodHead, acceptORAS)
		}
		pulls()
		for _, accept := range []string{acceptORAS, acceptContainerd} {
			if got := f.do(http.MethodGet, tagPath("app", subject), nil, "Accept", accept); got.status != http.StatusNotFound || !strings.Contains(string(got.body), "MANIFEST_UNKNOWN") {
				t.Errorf("%s, no referrers: status %d: %s", name, got.status, got.body)
			}
		}
		one := referrer("one", subject)
		f.push("app", one)
		pulls()
		for _, accept := range []string{acceptORAS, acceptContainerd} {
			got := f.do(http.MethodGet, tagPath("app", subject), nil, "Accept", accept)
			f.wantManifest(got, got.body)
			if !strings.Contains(string(got.body), digest.FromBytes(one).String()) || got.status != http.StatusOK {
				t.Errorf("%s, with a referrer: status %d: %s", name, got.status, got.body)
			}
		}
		// The tag of another image may be of that form, too.
		f.registry.put("app", elsewhere, oci.ReferrersTag(subject))
		if got := f.do(http.MethodGet, tagPath("app", subject), nil, "Accept", acceptSkopeo); string(got.body) != string(elsewhere) {
			t.Errorf("another image: %s", got.body)
		}
	}
}

func TestAListingLargerThanAManifestIsAnError(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Limits.ManifestSize = 2 << 10 })
	subject := f.registry.put("app", image("subject"))
	for i := range 6 {
		f.push("app", referrer(fmt.Sprint("n", i), subject))
	}
	f.underTag("app", subject)
	for i := range 6 {
		f.push("app", referrer(fmt.Sprint("m", i), subject))
	}
	got := f.do(http.MethodGet, tagPath("app", subject), nil)
	if got.status != http.StatusNotImplemented || !strings.Contains(string(got.body), "limits.manifestSize") {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if len(f.list("app", subject)) != 12 {
		t.Error("the API doesn't list all")
	}
}
