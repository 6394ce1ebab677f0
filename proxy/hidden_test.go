package proxy_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// shape replaces what differs between questions about two repositories: their
// names, and digests that are made up.
func shape(questions []string) []string {
	names := regexp.MustCompile(`/v2/[^/]+/|sha256:[0-9a-f]+`)
	shapes := make([]string, 0, len(questions))
	for _, question := range questions {
		shapes = append(shapes, names.ReplaceAllString(question, "#"))
	}
	slices.Sort(shapes)
	return shapes
}

// A stranger has the upstream asked the same for what is hidden and for what is
// not there, so that neither the number of questions nor the time that they
// take tells which it is.
func TestTheQuestionsForAStrangerTellNothing(t *testing.T) {
	const secret = "Bearer of-the-owner"
	for name, referrers := range map[string]int{"no referrers": 0, "one": 1, "many": 20} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(c *config.Config) {
				// As it is by default: what the owner asked is remembered.
				c.Permissions, c.Referrers = config.Default().Permissions, config.Default().Referrers
				c.Cache = config.Default().Cache
				c.Cache.Manifests, c.Cache.ManifestTTL = 1<<20, time.Hour
			})
			f.registry.answer(hiding(secret))
			subjectBody := image("subject")
			subject := digest.FromBytes(subjectBody)
			put := func(manifest []byte) {
				got := f.do(http.MethodPut, "/v2/app/manifests/"+digest.FromBytes(manifest).String(), manifest,
					"Content-Type", imageManifest, "Authorization", secret)
				if got.status != http.StatusCreated {
					t.Fatalf("push: %d %s", got.status, got.body)
				}
			}
			put(subjectBody)
			for i := range referrers {
				put(referrer(fmt.Sprint("r", i), subject))
			}
			// The owner warms every cache.
			for range 2 {
				if got := f.list("app", subject, "Authorization", secret); len(got) != referrers {
					t.Fatalf("the owner got %v", got)
				}
				f.do(http.MethodGet, "/v2/app/manifests/"+subject.String(), nil, "Authorization", secret)
			}
			for _, rest := range []string{"referrers/" + subject.String(), "manifests/" + subject.String()} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					f.registry.seen()
					hidden := f.do(method, "/v2/app/"+rest, nil)
					forHidden := shape(f.registry.seen())
					missing := f.do(method, "/v2/none/"+rest, nil)
					forMissing := shape(f.registry.seen())
					if !slices.Equal(forHidden, forMissing) || len(forHidden) == 0 {
						t.Errorf("%s %s: asked %v, for what is missing %v", method, rest, forHidden, forMissing)
					}
					if hidden.status != missing.status || string(hidden.body) != string(missing.body) {
						t.Errorf("%s %s: %d %s, for what is missing %d %s", method, rest, hidden.status, hidden.body, missing.status, missing.body)
					}
				}
			}
		})
	}
}

// What a stranger asks must not count for others: neither a referrers tag that
// is hidden from it, nor that there is none.
func TestAStrangerWarmsNoCache(t *testing.T) {
	const secret = "Bearer of-the-owner"
	f := newFixture(t, func(c *config.Config) {
		c.Permissions, c.Referrers, c.Cache = config.Default().Permissions, config.Default().Referrers, config.Default().Cache
	})
	subject := f.registry.put("app", image("subject"))
	listed := referrer("listed", subject)
	f.registry.put("app", listed)
	f.registry.put("app", indexOf(listed), oci.ReferrersTag(subject))
	f.registry.answer(hiding(secret))
	for range 3 {
		if got := f.list("app", subject); len(got) != 0 {
			t.Fatalf("a stranger got %v", got)
		}
	}
	if _, err := f.store.Get(t.Context(), "app", digest.FromBytes(listed)); err == nil {
		t.Error("the referrers tag was imported for a stranger")
	}
	if got := f.list("app", subject, "Authorization", secret); !slices.Equal(got, sorted(listed)) {
		t.Errorf("the owner got %v", got)
	}
	if got := f.list("app", subject); len(got) != 0 {
		t.Errorf("after the owner, a stranger got %v", got)
	}
}

// The figures of the two must be the same but for noise.
func BenchmarkStranger(b *testing.B) {
	const secret = "Bearer of-the-owner"
	f := newFixture(b)
	subject := f.registry.put("app", image("subject"))
	for i := range 20 {
		f.push("app", referrer(fmt.Sprint("r", i), subject))
	}
	f.registry.answer(hiding(secret))
	for _, repository := range []string{"app", "none"} {
		b.Run(map[string]string{"app": "hidden", "none": "missing"}[repository], func(b *testing.B) {
			for b.Loop() {
				f.do(http.MethodGet, "/v2/"+repository+"/referrers/"+subject.String(), nil)
			}
		})
	}
}
