package proxy_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// endpoints are all of the extension, asked about a manifest.
func endpoints(subject digest.Digest) []string {
	return []string{
		"_backref/graph/referrers?subject=" + subject.String(),
		"_backref/graph/parents?digest=" + subject.String(),
		"_backref/graph/parents?digest=" + digest.FromString("{}").String(),
		"_backref/graph/tree?subject=" + subject.String(),
		"_backref/graph/referrers?subject=v1",
		"_backref/graph/tree?subject=v1",
		"_backref/catalog/artifacts",
		"_backref/catalog/tags",
		"_oci/ext/discover",
	}
}

func TestAStrangerLearnsNothingFromTheExtension(t *testing.T) {
	const secret = "Bearer of-the-owner"
	f := newFixture(t)
	body := image("subject")
	subject := digest.FromBytes(body)
	f.do(http.MethodPut, "/v2/app/manifests/v1", body, "Content-Type", imageManifest)
	f.push("app", referrer("signature", subject))
	f.registry.answer(hiding(secret))
	for _, endpoint := range endpoints(subject) {
		f.registry.seen()
		stranger := f.do(http.MethodGet, "/v2/app/"+endpoint, nil)
		forHidden := shape(f.registry.seen())
		nowhere := f.do(http.MethodGet, "/v2/nowhere/"+endpoint, nil)
		if forMissing := shape(f.registry.seen()); !slices.Equal(forHidden, forMissing) {
			t.Errorf("%s: asked %v, for what is missing %v", endpoint, forHidden, forMissing)
		}
		hidden := strings.ReplaceAll(string(stranger.body), "app", "nowhere")
		if stranger.status != nowhere.status || hidden != strings.ReplaceAll(string(nowhere.body), "app", "nowhere") {
			t.Errorf("%s: a stranger got %d %s, for an unknown repository %d %s", endpoint, stranger.status, stranger.body, nowhere.status, nowhere.body)
		}
		owner := f.do(http.MethodGet, "/v2/app/"+endpoint, nil, "Authorization", secret)
		// The odd registry has no list of tags.
		if owner.status != http.StatusOK && !strings.Contains(endpoint, "catalog/tags") {
			t.Errorf("%s: the owner got %d %s", endpoint, owner.status, owner.body)
		}
		if !strings.Contains(endpoint, "tags") && !strings.Contains(endpoint, "discover") && string(owner.body) == string(stranger.body) {
			t.Errorf("%s: the owner got no more than a stranger: %s", endpoint, owner.body)
		}
	}
}

func TestAFailingSourceIsAnErrorOfTheExtensionToo(t *testing.T) {
	for name, fails := range map[string]func(*http.Request) bool{
		"the referrers tag":            isReferrersTag,
		"the upstream's own referrers": isReferrers,
		"everything":                   func(*http.Request) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			subject := f.registry.put("app", image("subject"), "v1")
			f.push("app", referrer("signature", subject))
			f.registry.answer(status(http.StatusInternalServerError, fails))
			for _, endpoint := range endpoints(subject) {
				got := f.do(http.MethodGet, "/v2/app/"+endpoint, nil)
				if !strings.Contains(endpoint, "graph") && name != "everything" {
					continue
				}
				if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
					t.Errorf("%s: got %d %s", endpoint, got.status, got.body)
				}
			}
		})
	}
}

func TestTheChallengeReachesClientsOfTheExtension(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	f.push("app", referrer("signature", subject))
	const challenge = `Bearer realm="https://auth.example.com/token",scope="repository:app:pull"`
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	for _, endpoint := range endpoints(subject) {
		got := f.do(http.MethodGet, "/v2/app/"+endpoint, nil)
		if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != challenge {
			t.Errorf("%s: status %d, challenge %q", endpoint, got.status, got.header.Get("WWW-Authenticate"))
		}
	}
}

func TestUpstreamsOwnReferrersObeyTheQuery(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	annotated := func(i int, version string) []byte {
		return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.%d","config":{"mediaType":"a/b","digest":%q,"size":2},`+
			`"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":2},"annotations":{"org.opencontainers.image.version":%q}}`,
			imageManifest, i%2, digest.FromString("{}"), imageManifest, subject, version)
	}
	var entries []string
	var want []digest.Digest
	for i, version := range []string{"1.9.0", "1.10.0", "1.2.0", "2.0.0", "1.10.0-rc.1", "0.1.0"} {
		body := annotated(i, version)
		f.registry.put("app", body)
		if i%3 != 0 {
			f.push("app", body)
		}
		if i%3 != 1 {
			entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.example.%d","annotations":{"org.opencontainers.image.version":%q}}`,
				imageManifest, digest.FromBytes(body), len(body), i%2, version))
		}
		want = append(want, digest.FromBytes(body))
	}
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if isReferrers(r) {
			w.Header().Set("Content-Type", imageIndex)
			_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, imageIndex, strings.Join(entries, ","))
		}
		return isReferrers(r)
	})
	for query, order := range map[string][]int{
		"sort=version":                  {5, 2, 0, 4, 1, 3},
		"sort=-version":                 {3, 1, 4, 0, 2, 5},
		"sort=version&artifactType=*.1": {5, 1, 3},
		"sort=-version&annotation=" + url.QueryEscape("org.opencontainers.image.version<1.10.0"): {4, 0, 2, 5},
	} {
		var ordered []digest.Digest
		for _, i := range order {
			ordered = append(ordered, want[i])
		}
		for n := 1; n <= 7; n++ {
			if got := walkQuery(f, "app", subject, fmt.Sprintf("n=%d&%s", n, query)); !slices.Equal(got, ordered) {
				t.Errorf("%s in pages of %d: got %v, want %v", query, n, got, ordered)
			}
		}
	}
	// They are parents too, and are recorded as such.
	got := f.do(http.MethodGet, "/v2/app/_backref/graph/parents?digest="+subject.String(), nil)
	if strings.Count(string(got.body), `"kind":"subject"`) != len(want) {
		t.Errorf("parents: %s", got.body)
	}
}

func TestDiscoveryHasWhatTheUpstreamHas(t *testing.T) {
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/_oci/ext/discover") {
			return false
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write([]byte(`{"extensions":[{"name":"_oci","url":"u","endpoints":["/v2/_oci/ext/discover","/v2/_oci/other/one"]},{"name":"_zot","url":"z","endpoints":["/v2/_zot/ext/search"]}]}`))
		return true
	})
	got := f.do(http.MethodGet, "/v2/_oci/ext/discover", nil)
	for _, part := range []string{`"name":"_zot"`, `"endpoints":["/v2/_oci/ext/discover","/v2/_oci/other/one"]`, `"/v2/{name}/_backref/graph/tree"`} {
		if !strings.Contains(string(got.body), part) {
			t.Errorf("%s lacks %s", got.body, part)
		}
	}
	if strings.Count(string(got.body), `"_oci"`) != 1 {
		t.Errorf("%s", got.body)
	}
}

func TestTheCatalogOfTagsIsBounded(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Limits.CatalogTags = 2 })
	for _, tags := range []string{`"a","b"`, `"a","b","c"`} {
		f.registry.put("app", image("one"), "a", "b", "c")
		f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/tags/list") {
				return false
			}
			_, _ = fmt.Fprintf(w, `{"name":"app","tags":[%s]}`, tags)
			return true
		})
		want := http.StatusOK
		if strings.Contains(tags, "c") {
			want = http.StatusNotImplemented
		}
		if got := f.do(http.MethodGet, "/v2/app/_backref/catalog/tags", nil); got.status != want {
			t.Errorf("%s: status %d %s", tags, got.status, got.body)
		}
	}
}

func TestATagOfWhatCannotBeReadIsListed(t *testing.T) {
	f := newFixture(t)
	odd := f.registry.put("app", []byte(`{"mediaType":"application/vnd.example","config":7}`), "odd")
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			return false
		}
		_, _ = w.Write([]byte(`{"name":"app","tags":["odd","gone"]}`))
		return true
	})
	got := f.do(http.MethodGet, "/v2/app/_backref/catalog/tags?sort=created", nil)
	want := `{"name":"app","tags":[{"tag":"odd","mediaType":"application/vnd.example","digest":"` + odd.String() + `","size":50}]}`
	if string(got.body) != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
}
