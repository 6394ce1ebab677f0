package proxy_test

import (
	"context"
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

func sorted(manifests ...[]byte) []digest.Digest {
	digests := make([]digest.Digest, 0, len(manifests))
	for _, m := range manifests {
		digests = append(digests, digest.FromBytes(m))
	}
	slices.Sort(digests)
	return digests
}

func isReferrers(r *http.Request) bool {
	return strings.Contains(r.URL.Path, "/referrers/")
}

func isReferrersTag(r *http.Request) bool {
	return strings.Contains(r.URL.Path, "/manifests/sha256-")
}

// status returns a hook that answers a status to the requests that match.
func status(code int, matches func(*http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !matches(r) {
			return false
		}
		w.WriteHeader(code)
		return true
	}
}

func TestUpstreamWithoutTheAPIMayAnswerAnything(t *testing.T) {
	for name, hook := range map[string]http.HandlerFunc{
		"404": http.NotFound,
		"200 with HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>welcome</html>"))
		},
		"200 with another JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", imageIndex)
			_, _ = w.Write([]byte(`{"name":"not an index"}`))
		},
		"303": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusSeeOther) },
		"400": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"405": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"501": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotImplemented) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			subject := f.registry.put("app", image("subject"))
			signature := referrer("signature", subject)
			f.push("app", signature)
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if isReferrers(r) {
					hook(w, r)
				}
				return isReferrers(r)
			})
			if got := f.list("app", subject); !slices.Equal(got, sorted(signature)) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestUpstreamsOwnReferrersAreMergedIn(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	var ours, theirs [][]byte
	for i := range 5 {
		ours = append(ours, referrer(fmt.Sprintf("ours%d", i), subject))
		theirs = append(theirs, referrer(fmt.Sprintf("theirs%d", i), subject))
		f.push("app", ours[i])
	}
	theirs = append(theirs, ours[2])
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !isReferrers(r) {
			return false
		}
		w.Header().Set("Content-Type", imageIndex)
		if r.URL.Query().Get("page") == "2" {
			_, _ = w.Write(indexOf(theirs[3:]...))
			return true
		}
		w.Header().Set("Link", `<`+f.upstreamURL+r.URL.Path+`?page=2>; rel="next"`)
		_, _ = w.Write(indexOf(theirs[:3]...))
		return true
	})
	want := sorted(append(slices.Clone(theirs[:5]), ours...)...)
	if got := f.list("app", subject); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for n := 1; n <= 11; n++ {
		if got := walk(f, "app", subject, n); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: got %v, want %v", n, got, want)
		}
	}
}

// walk follows Link to the end.
func walk(f *fixture, repository string, subject digest.Digest, n int) []digest.Digest {
	f.t.Helper()
	return walkQuery(f, repository, subject, fmt.Sprintf("n=%d", n))
}

// walkQuery follows Link from a query on.
func walkQuery(f *fixture, repository string, subject digest.Digest, query string) []digest.Digest {
	f.t.Helper()
	var all []digest.Digest
	next := fmt.Sprintf("/v2/%s/referrers/%s?%s", repository, subject, query)
	for next != "" {
		got := f.do(http.MethodGet, next, nil)
		if got.status != http.StatusOK {
			f.t.Fatalf("%s: status %d: %s", next, got.status, got.body)
		}
		for part := range strings.SplitSeq(string(got.body), `"digest":"`) {
			if strings.HasPrefix(part, "sha256:") {
				all = append(all, digest.Digest(part[:71]))
			}
		}
		next = ""
		if link := got.header.Get("Link"); link != "" {
			next = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
	}
	return all
}

func TestAFailingSourceIsAnErrorNotAShortList(t *testing.T) {
	subjectBody := image("subject")
	subject := digest.FromBytes(subjectBody)
	listed := referrer("listed", subject)
	for name, fails := range map[string]func(*http.Request) bool{
		"the look-up of the subject": func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, subject.String()) && r.Method == http.MethodHead
		},
		"the referrers tag":             isReferrersTag,
		"a manifest that the tag lists": func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, digest.FromBytes(listed).String()) },
		"the upstream's own referrers":  isReferrers,
	} {
		for _, code := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			t.Run(fmt.Sprint(name, code), func(t *testing.T) {
				f := newFixture(t)
				f.registry.put("app", subjectBody)
				f.registry.put("app", listed)
				f.registry.put("app", indexOf(listed), oci.ReferrersTag(subject))
				f.registry.answer(status(code, fails))
				got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
				if got.status < 429 || !strings.Contains(string(got.body), `"errors"`) {
					t.Errorf("status %d: %s", got.status, got.body)
				}
				if code != http.StatusTooManyRequests && got.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				f.registry.answer(nil)
				if got := f.list("app", subject); !slices.Equal(got, sorted(listed)) {
					t.Errorf("afterwards: got %v", got)
				}
			})
		}
	}
}

func TestReferrersTagIsBelievedOnlyForDigests(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	right, wrong, gone := referrer("right", subject), referrer("wrong", digest.FromString("other")), referrer("gone", subject)
	f.registry.put("app", right)
	f.registry.put("app", wrong)
	plain := image("no subject")
	f.registry.put("app", plain)
	f.registry.put("app", indexOf(right, wrong, gone, plain), oci.ReferrersTag(subject))

	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
	want := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.example.right"}]}`,
		imageIndex, imageManifest, digest.FromBytes(right), len(right))
	if string(got.body) != want {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
}

// hiding returns a hook that has manifests for one client only: to all others
// they are not there, as registries do that don't tell what is private.
func hiding(secret string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == secret {
			return false
		}
		http.NotFound(w, r)
		return true
	}
}

func TestNotFoundIsNoPermission(t *testing.T) {
	const secret = "Bearer of-the-owner"
	f := newFixture(t)
	missing := digest.FromString("a subject that is not pushed yet")
	signature := referrer("signature", missing)
	f.push("app", signature)
	f.registry.answer(hiding(secret))

	if got := f.list("app", missing, "Authorization", secret); !slices.Equal(got, sorted(signature)) {
		t.Errorf("the owner got %v", got)
	}
	stranger := f.do(http.MethodGet, "/v2/app/referrers/"+missing.String(), nil)
	nowhere := f.do(http.MethodGet, "/v2/nowhere/referrers/"+missing.String(), nil)
	if stranger.status != http.StatusOK || string(stranger.body) != string(nowhere.body) {
		t.Errorf("a stranger got %d %s, for an unknown repository %s", stranger.status, stranger.body, nowhere.body)
	}
	for _, got := range []*reply{&stranger, &nowhere} {
		got.header.Del("Date")
		got.header.Del("X-Request-Id")
	}
	if fmt.Sprint(stranger.header) != fmt.Sprint(nowhere.header) {
		t.Errorf("headers differ: %v, %v", stranger.header, nowhere.header)
	}
}

func TestWhatIsHiddenFromAStrangerIsNotHeldForGone(t *testing.T) {
	const secret = "Bearer of-the-owner"
	f := newFixture(t, func(c *config.Config) { c.Upstream.Timeouts.Grace = -time.Hour })
	subject := f.registry.put("app", image("subject"))
	signature := referrer("signature", subject)
	// The upstream stores the manifest, but its answer is lost; the deadline
	// of the intent has passed already.
	f.registry.answer(losingAnswers(f.registry))
	if got := f.push("app", signature); got.status != http.StatusBadGateway {
		t.Fatalf("push: status %d", got.status)
	}
	f.registry.answer(hiding(secret))
	if got := f.list("app", subject); len(got) != 0 {
		t.Errorf("a stranger got %v", got)
	}
	if got := f.list("app", subject, "Authorization", secret); !slices.Equal(got, sorted(signature)) {
		t.Errorf("the owner got %v", got)
	}
}

// losingAnswers returns a hook that carries pushes and deletes out and then
// cuts the connection.
func losingAnswers(o *oddRegistry) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut && r.Method != http.MethodDelete {
			return false
		}
		o.serve(discarded{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
}

// discarded is a response that nobody reads.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header         { return d.header }
func (d discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d discarded) WriteHeader(int)             {}

func TestChallengeReachesTheClient(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	const challenge = `Bearer realm="https://auth.example.com/token",service="registry",scope="repository:app:pull"`
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
	if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != challenge {
		t.Errorf("status %d, challenge %q", got.status, got.header.Get("WWW-Authenticate"))
	}
	if !strings.Contains(string(got.body), `"UNAUTHORIZED"`) {
		t.Errorf("body %s", got.body)
	}
}

func TestAPermissionIsRememberedForItsClientOnly(t *testing.T) {
	f := newFixture(t, func(c *config.Config) {
		c.Permissions = config.Default().Permissions
		c.Referrers = config.Default().Referrers
	})
	subject := f.registry.put("app", image("subject"))
	f.list("app", subject, "Authorization", "Bearer one")
	f.registry.seen()
	f.list("app", subject, "Authorization", "Bearer one")
	if asked := f.registry.seen(); len(asked) != 0 {
		t.Errorf("a warm query asked the upstream: %v", asked)
	}
	f.list("app", subject, "Authorization", "Bearer two")
	if asked := f.registry.seen(); len(asked) == 0 {
		t.Error("another client was let in on the first one's permission")
	}
}

func TestAnUnknownOutcomeIsAskedFor(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	stored, refused := referrer("stored", subject), referrer("refused", subject)

	f.registry.answer(losingAnswers(f.registry))
	f.push("app", stored)
	f.registry.answer(status(http.StatusInternalServerError, func(r *http.Request) bool { return r.Method == http.MethodPut }))
	f.push("app", refused)
	f.registry.answer(nil)
	if got := f.list("app", subject); !slices.Equal(got, sorted(stored)) {
		t.Errorf("after pushes: got %v", got)
	}

	f.registry.answer(losingAnswers(f.registry))
	f.do(http.MethodDelete, "/v2/app/manifests/"+digest.FromBytes(stored).String(), nil)
	f.registry.answer(status(http.StatusInternalServerError, func(r *http.Request) bool { return r.Method == http.MethodHead }))
	if got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil); got.status != http.StatusBadGateway {
		t.Errorf("while the upstream can't be asked: status %d %s", got.status, got.body)
	}
	f.registry.answer(nil)
	if got := f.list("app", subject); len(got) != 0 {
		t.Errorf("after the delete: got %v", got)
	}
}

func TestARefusedPushLeavesNoTrace(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	f.registry.answer(status(http.StatusForbidden, func(r *http.Request) bool { return r.Method == http.MethodPut }))
	if got := f.push("app", referrer("x", subject)); got.status != http.StatusForbidden || got.header.Get("OCI-Subject") != "" {
		t.Errorf("status %d, OCI-Subject %q", got.status, got.header.Get("OCI-Subject"))
	}
	open, err := f.store.Unsettled(t.Context(), "app", subject)
	if err != nil || len(open) != 0 {
		t.Errorf("left open: %v, %v", open, err)
	}
}

// fullStore is a store whose disk is full.
type fullStore struct{ index.Store }

var errFull = errors.New("no space left on device")

func (fullStore) Begin(context.Context, index.Intent) (index.IntentID, error) { return 0, errFull }

func TestAPushThatCannotBeAnnouncedIsNotMade(t *testing.T) {
	base := newFixture(t)
	f := newFixtureWith(t, fullStore{base.store})
	subject := digest.FromString("subject")
	got := f.push("app", referrer("x", subject))
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("status %d, header %v", got.status, got.header)
	}
	if strings.Contains(string(got.body), errFull.Error()) {
		t.Errorf("the client sees the operator's error: %s", got.body)
	}
	if asked := f.registry.seen(); len(asked) != 0 {
		t.Errorf("the upstream saw %v", asked)
	}
}

func TestDeletingATag(t *testing.T) {
	for name, withManifest := range map[string]bool{"takes the manifest along": true, "leaves the manifest": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			subject := f.registry.put("app", image("subject"))
			signature := referrer("signature", subject)
			f.do(http.MethodPut, "/v2/app/manifests/signed", signature, "Content-Type", imageManifest)
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodDelete && withManifest {
					f.registry.mutex.Lock()
					delete(f.registry.manifests, "app@"+digest.FromBytes(signature).String())
					f.registry.mutex.Unlock()
				}
				return false
			})
			if got := f.do(http.MethodDelete, "/v2/app/manifests/signed", nil); got.status != http.StatusAccepted {
				t.Fatalf("status %d", got.status)
			}
			if got, want := len(f.list("app", subject)) == 0, withManifest; got != want {
				t.Errorf("listing empty: %v, want %v", got, want)
			}
		})
	}
}

func TestPushOfAReferrersTagIsImported(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Referrers = config.Default().Referrers })
	subject := f.registry.put("app", image("subject"))
	first, second := referrer("first", subject), referrer("second", subject)
	f.registry.put("app", first)
	f.registry.put("app", second)
	if got := f.list("app", subject); len(got) != 0 {
		t.Fatalf("before: got %v", got)
	}
	// The tag was found missing just now; the push of it counts at once.
	push := func(body []byte) reply {
		return f.do(http.MethodPut, "/v2/app/manifests/"+oci.ReferrersTag(subject), body, "Content-Type", imageIndex)
	}
	push(indexOf(first))
	if got := f.list("app", subject); !slices.Equal(got, sorted(first)) {
		t.Errorf("after the push: got %v", got)
	}
	// A manifest that can't be fetched just then is asked for by the reader.
	f.registry.answer(status(http.StatusServiceUnavailable, func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest.FromBytes(second).String())
	}))
	if got := push(indexOf(first, second)); got.status != http.StatusCreated {
		t.Errorf("status %d", got.status)
	}
	if got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil); got.status != http.StatusBadGateway {
		t.Errorf("while it can't be fetched: status %d: %s", got.status, got.body)
	}
	f.registry.answer(nil)
	if got := f.list("app", subject); !slices.Equal(got, sorted(first, second)) {
		t.Errorf("in the end: got %v", got)
	}
}
