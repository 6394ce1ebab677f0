package proxy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/wrap"
)

// runtimeOnly has the listener runtime serve images alone.
func runtimeOnly(cfg *config.Config) {
	cfg.Artifacts.Rules = []config.ArtifactRule{{
		Name: "runtime-images", Repositories: []string{"**"}, Actions: []string{"pull"}, Listeners: []string{"runtime"}, Allow: []string{"images"},
	}}
}

// by returns the fixture as clients of another listener see it.
func (f *fixture) by(listener string) *fixture {
	f.t.Helper()
	front := httptest.NewUnstartedServer(f.proxy)
	front.Config.BaseContext = func(net.Listener) context.Context { return wrap.WithListener(context.Background(), listener) }
	front.Start()
	f.t.Cleanup(front.Close)
	other := *f
	other.url = front.URL
	return &other
}

// checkDenied makes sure that an answer is a refusal by a rule, which says nothing
// of the manifest.
func checkDenied(t *testing.T, got reply, rule string, manifest digest.Digest) {
	t.Helper()
	if got.status != http.StatusForbidden {
		t.Errorf("status %d, want 403: %s", got.status, got.body)
	}
	if len(got.body) > 0 && (!bytes.Contains(got.body, []byte(`"DENIED"`)) || !bytes.Contains(got.body, []byte("rule "+rule))) {
		t.Errorf("body %s", got.body)
	}
	if !strings.Contains(got.header.Get("Warning"), "rule "+rule) {
		t.Errorf("Warning: %s", got.header.Get("Warning"))
	}
	said := fmt.Sprint(got.header) + string(got.body)
	if manifest != "" && strings.Contains(said, manifest.Encoded()) {
		t.Errorf("the refusal names the manifest: %s", said)
	}
}

// How a registry may answer a pull.
func pullAnswers() map[string]func(w http.ResponseWriter, r *http.Request, body []byte) {
	head := func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Type", imageManifest)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
		w.Header().Set("Etag", `"`+digest.FromBytes(body).String()+`"`)
	}
	status := func(code int) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, _ *http.Request, body []byte) {
			head(w, body)
			w.WriteHeader(code)
		}
	}
	return map[string]func(w http.ResponseWriter, r *http.Request, body []byte){
		"whole": func(w http.ResponseWriter, _ *http.Request, body []byte) { head(w, body); _, _ = w.Write(body) },
		"a part": func(w http.ResponseWriter, _ *http.Request, body []byte) {
			head(w, body)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-9/%d", len(body)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body[:10])
		},
		"compressed": func(w http.ResponseWriter, r *http.Request, body []byte) {
			head(w, body)
			w.Header().Set("Content-Encoding", "gzip")
			if r.Method == http.MethodGet {
				packed := gzip.NewWriter(w)
				_, _ = packed.Write(body)
				_ = packed.Close()
			}
		},
		"redirected": func(w http.ResponseWriter, _ *http.Request, body []byte) {
			head(w, body)
			w.Header().Set("Location", "https://storage.example/manifest")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"not modified":   status(http.StatusNotModified),
		"condition lost": status(http.StatusPreconditionFailed),
		"not that range": status(http.StatusRequestedRangeNotSatisfiable),
		"many choices":   status(http.StatusMultipleChoices),
		"without a digest": func(w http.ResponseWriter, _ *http.Request, body []byte) {
			w.Header().Set("Content-Type", imageManifest)
			_, _ = w.Write(body)
		},
		"no type, no digest": func(w http.ResponseWriter, _ *http.Request, body []byte) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(body)
		},
	}
}

// Whatever form an answer has, by tag or digest, with or without a cache, known to
// the index or not: the listener runtime gets images and no artifact.
func TestArtifactPolicyOfPulls(t *testing.T) {
	for name, answer := range pullAnswers() {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, known %t", name, known), func(t *testing.T) {
				f := newFixture(t, cacheManifests, runtimeOnly)
				runtime := f.by("runtime")
				img := image("app")
				sbom := referrer("sbom", f.registry.put("a", img, "v1"))
				digests := map[string]digest.Digest{"image": digest.FromBytes(img), "sbom": f.registry.put("a", sbom, "sbom")}
				if known {
					for _, manifest := range digests {
						f.do(http.MethodGet, "/v2/a/manifests/"+manifest.String(), nil, "Accept", imageManifest)
					}
				}
				f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
					if r.UserAgent() == "backref" || r.Header.Get("X-Client") == "" {
						return false // A question of our own.
					}
					f.registry.mutex.Lock()
					body := f.registry.manifests[strings.Replace(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/", "@", 1)]
					f.registry.mutex.Unlock()
					answer(w, r, body)
					return true
				})
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					for _, reference := range []string{"v1", digests["image"].String()} {
						got := runtime.do(method, "/v2/a/manifests/"+reference, nil, "Accept", imageManifest, "X-Client", "1")
						certain := name != "a part" && name != "compressed" || reference != "v1"
						if got.status == http.StatusForbidden && certain {
							t.Errorf("%s of the image by %s: %s", method, reference, got.body)
						}
					}
					for _, reference := range []string{"sbom", digests["sbom"].String()} {
						got := runtime.do(method, "/v2/a/manifests/"+reference, nil, "Accept", imageManifest, "X-Client", "1")
						checkDenied(t, got, "runtime-images", digests["sbom"])
						if got := f.do(method, "/v2/a/manifests/"+reference, nil, "Accept", imageManifest, "X-Client", "1"); got.status == http.StatusForbidden {
							t.Errorf("%s by the main listener: %s", method, got.body)
						}
						// Now it may be in the cache.
						checkDenied(t, runtime.do(method, "/v2/a/manifests/"+reference, nil, "Accept", imageManifest, "X-Client", "1"), "runtime-images", digests["sbom"])
					}
				}
			})
		}
	}
}

// What the registry refuses, or has not, is no matter of the policy, and nobody is
// told by it what there is.
func TestArtifactPolicyTellsNothingOfWhatIsRefused(t *testing.T) {
	f := newFixture(t, cacheManifests, runtimeOnly)
	runtime := f.by("runtime")
	sbom := f.registry.put("a", referrer("sbom", f.registry.put("a", image("app"))), "sbom")
	f.do(http.MethodGet, "/v2/a/manifests/"+sbom.String(), nil)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Header.Get("Authorization") {
		case "Basic refused":
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		case "Basic hidden":
			w.WriteHeader(http.StatusNotFound)
		default:
			return false
		}
		return true
	})
	for credentials, want := range map[string]int{"Basic refused": 401, "Basic hidden": 404, "Basic permitted": 403} {
		for _, reference := range []string{"sbom", sbom.String()} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if got := runtime.do(method, "/v2/a/manifests/"+reference, nil, "Authorization", credentials); got.status != want {
					t.Errorf("%s with %s: status %d, want %d", method, credentials, got.status, want)
				}
			}
		}
	}
}

// A manifest that can't be read may be anything.
func TestArtifactPolicyOfWhatCantBeRead(t *testing.T) {
	f := newFixture(t, runtimeOnly, func(cfg *config.Config) { cfg.Limits.ManifestSize = 1 << 10 })
	runtime := f.by("runtime")
	large := append(image("large"), bytes.Repeat([]byte(" "), 2<<10)...)
	for name, body := range map[string][]byte{"large": large, "odd": []byte(`{"mediaType":"` + imageManifest + `","config":7}`), "text": []byte("hello")} {
		sum := f.registry.put("a", body, name)
		for _, reference := range []string{name, sum.String()} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				checkDenied(t, runtime.do(method, "/v2/a/manifests/"+reference, nil), "runtime-images", sum)
				if got := f.do(method, "/v2/a/manifests/"+reference, nil); got.status != http.StatusOK {
					t.Errorf("%s of %s by the main listener: status %d", method, name, got.status)
				}
			}
		}
	}
}

// A body that breaks off is the registry's failure, and is tried again; nothing is
// made of what came of it.
func TestArtifactPolicyOfABrokenAnswer(t *testing.T) {
	f := newFixture(t, runtimeOnly)
	body := image("app")
	sum := f.registry.put("a", body, "v1")
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", imageManifest)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body[:20])
		return true
	})
	got := f.by("runtime").do(http.MethodGet, "/v2/a/manifests/"+sum.String(), nil)
	if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// A list is shown in whole or not at all: by the API, under a referrers tag, by
// the digest that such a list was served with, and by the extension.
func TestArtifactPolicyOfListings(t *testing.T) {
	f := newFixture(t, runtimeOnly, func(cfg *config.Config) {
		cfg.Artifacts.Rules = append(cfg.Artifacts.Rules, config.ArtifactRule{
			Name: "ci-no-sboms", Repositories: []string{"**"}, Actions: []string{"pull"}, Listeners: []string{"ci"}, Deny: []string{"application/vnd.example.sbom"},
		})
	})
	runtime, ci := f.by("runtime"), f.by("ci")
	subject := f.registry.put("a", image("app"), "v1")
	for _, name := range []string{"sbom", "signature"} {
		if got := f.push("a", referrer(name, subject)); got.status != http.StatusCreated {
			t.Fatalf("status %d: %s", got.status, got.body)
		}
	}
	served := f.do(http.MethodGet, "/v2/a/manifests/"+oci.ReferrersTag(subject), nil)
	if served.status != http.StatusOK {
		t.Fatalf("referrers tag: status %d", served.status)
	}
	signatures := "artifactType=application/vnd.example.signature"
	both := signatures + "&artifactType=application/vnd.example.sbom"
	for _, c := range []struct {
		path, runtime, ci string // whose rule denies it, if any
	}{
		{"/v2/a/referrers/" + subject.String(), "runtime-images", "ci-no-sboms"},
		{"/v2/a/referrers/" + subject.String() + "?" + signatures, "runtime-images", ""},
		{"/v2/a/referrers/" + subject.String() + "?" + both, "runtime-images", "ci-no-sboms"},
		{"/v2/a/referrers/" + subject.String() + "?artifactType=*signature", "runtime-images", "ci-no-sboms"},
		{"/v2/a/referrers/" + subject.String() + "?artifactType=" + oci.MediaTypeImageConfig, "", ""},
		{"/v2/a/manifests/" + oci.ReferrersTag(subject), "runtime-images", "ci-no-sboms"},
		{"/v2/a/manifests/" + served.header.Get("Docker-Content-Digest"), "runtime-images", "ci-no-sboms"},
		{"/v2/a/_backref/graph/referrers?subject=v1", "runtime-images", "ci-no-sboms"},
		{"/v2/a/_backref/graph/referrers?subject=v1&" + signatures, "runtime-images", ""},
		{"/v2/a/_backref/graph/parents?digest=" + subject.String(), "runtime-images", "ci-no-sboms"},
		{"/v2/a/_backref/graph/tree?subject=v1", "runtime-images", "ci-no-sboms"},
		{"/v2/a/_backref/catalog/artifacts", "runtime-images", "ci-no-sboms"},
		{"/v2/a/_backref/catalog/artifacts?" + signatures, "runtime-images", ""},
		{"/v2/a/_backref/catalog/artifacts?artifactType=" + oci.MediaTypeImageConfig, "", ""},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, by := range []struct {
				front *fixture
				rule  string
			}{{f, ""}, {runtime, c.runtime}, {ci, c.ci}} {
				got := by.front.do(method, c.path, nil)
				switch {
				case by.rule != "":
					checkDenied(t, got, by.rule, "")
				case got.status != http.StatusOK:
					t.Errorf("%s %s: status %d: %s", method, c.path, got.status, got.body)
				}
			}
		}
	}
	// Where the tag is an image it is pulled as one.
	mirrored := image("mirrored")
	tag := oci.ReferrersTag(f.registry.put("a", mirrored))
	f.registry.put("a", mirrored, tag)
	if got := runtime.do(http.MethodGet, "/v2/a/manifests/"+tag, nil); got.status != http.StatusOK {
		t.Errorf("an image under the tag of itself: status %d", got.status)
	}
}

// Cosign's tags of version 2 hold what an image config says is an image: they are
// not shown under another type to who may not pull images.
func TestArtifactPolicyOfLegacyReferrers(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) {
		cfg.Artifacts.Rules = []config.ArtifactRule{{
			Name: "signatures", Repositories: []string{"**"}, Actions: []string{"pull"}, Allow: []string{"application/vnd.dev.cosign.*"},
		}}
	})
	subject := digest.FromString("subject")
	path := "/v2/a/_backref/graph/referrers?subject=" + subject.String() + "&artifactType=application/vnd.dev.cosign.artifact.sig.v1%2Bjson"
	checkDenied(t, f.do(http.MethodGet, path, nil), "signatures", "")
	if got := f.do(http.MethodGet, path+"&legacy=false", nil); got.status == http.StatusForbidden {
		t.Errorf("%s", got.body)
	}
}

// With referrers.fallbackTags off the tag's index is not read for what it lists,
// and no shorter refused.
func TestArtifactPolicyOfUnreadReferrersTags(t *testing.T) {
	f := newFixture(t, runtimeOnly, func(cfg *config.Config) { cfg.Referrers.FallbackTags = config.FallbackOff })
	subject := f.registry.put("a", image("app"))
	list := indexOf(referrer("sbom", subject))
	sum := f.registry.put("a", list, oci.ReferrersTag(subject))
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		checkDenied(t, f.by("runtime").do(method, "/v2/a/manifests/"+oci.ReferrersTag(subject), nil, "Accept", imageIndex), "runtime-images", sum)
	}
}

// Some registries serve manifests as blobs.
func TestArtifactPolicyOfManifestsAsBlobs(t *testing.T) {
	f := newFixture(t, runtimeOnly)
	runtime := f.by("runtime")
	sbom := referrer("sbom", f.registry.put("a", image("app")))
	f.push("a", sbom)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			_, _ = w.Write(sbom)
			return true
		}
		return false
	})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		checkDenied(t, runtime.do(method, "/v2/a/blobs/"+digest.FromBytes(sbom).String(), nil), "runtime-images", digest.FromBytes(sbom))
		if got := runtime.do(method, "/v2/a/blobs/"+digest.FromString("layer").String(), nil); got.status != http.StatusOK {
			t.Errorf("a blob: status %d", got.status)
		}
	}
}

// The name of another registry (ns) opens no way around.
func TestArtifactPolicyOfNamespaces(t *testing.T) {
	f := newFixture(t, runtimeOnly)
	sbom := f.registry.put("a", referrer("sbom", f.registry.put("a", image("app"), "v1")), "sbom")
	for _, reference := range []string{"sbom", sbom.String()} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			checkDenied(t, f.by("runtime").do(method, "/v2/a/manifests/"+reference+"?ns=docker.io", nil), "runtime-images", sbom)
		}
	}
	if got := f.by("runtime").do(http.MethodGet, "/v2/a/manifests/v1?ns=docker.io", nil); got.status != http.StatusOK {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// What may be pushed: nothing that is refused reaches the registry.
func TestArtifactPolicyOfPushes(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) {
		cfg.Artifacts.Rules = []config.ArtifactRule{
			{Name: "no-sboms", Repositories: []string{"team/*"}, Actions: []string{"push"}, Deny: []string{"application/vnd.example.sbom"}},
			{Name: "images-by-ci", Repositories: []string{"prod/*"}, Actions: []string{"push"}, UserAgents: []string{"ci/*"}, Allow: []string{"images"}},
		}
	})
	subject := digest.FromString("subject")
	for _, c := range []struct {
		repository, agent string
		body              []byte
		mediaType, rule   string
	}{
		{"team/a", "x", referrer("sbom", subject), imageManifest, "no-sboms"},
		{"team/a", "x", referrer("signature", subject), imageManifest, ""},
		{"team/a", "x", image("a"), imageManifest, ""},
		{"team/a", "x", []byte(`{"config":7}`), imageManifest, "no-sboms"},
		{"other/a", "x", referrer("sbom", subject), imageManifest, ""},
		{"prod/a", "ci/1", referrer("signature", subject), imageManifest, "images-by-ci"},
		{"prod/a", "ci/1", indexOf(image("a")), imageIndex, ""},
		{"prod/a", "cosign", referrer("signature", subject), imageManifest, ""},
	} {
		for _, reference := range []string{"tag", digest.FromBytes(c.body).String()} {
			f.registry.seen()
			got := f.do(http.MethodPut, "/v2/"+c.repository+"/manifests/"+reference, c.body, "Content-Type", c.mediaType, "User-Agent", c.agent)
			if c.rule == "" {
				if got.status != http.StatusCreated {
					t.Errorf("%s of %s: status %d: %s", reference, c.repository, got.status, got.body)
				}
				continue
			}
			checkDenied(t, got, c.rule, "")
			if asked := f.registry.seen(); len(asked) > 0 {
				t.Errorf("the registry was asked: %v", asked)
			}
		}
	}
}

// Other rules count for the next request, also for what is in the cache.
func TestArtifactPolicyChangesWhileItServes(t *testing.T) {
	cfg := config.Default()
	runtimeOnly(&cfg)
	cacheManifests(&cfg)
	f := newFixture(t, cacheManifests)
	runtime := f.by("runtime")
	sbom := f.registry.put("a", referrer("sbom", f.registry.put("a", image("app"))))
	path := "/v2/a/manifests/" + sbom.String()
	for range 2 {
		if got := runtime.do(http.MethodGet, path, nil); got.status != http.StatusOK {
			t.Fatalf("status %d", got.status)
		}
	}
	set := func(cfg config.Config) {
		settings, err := options.Settings(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.proxy.Set(settings)
	}
	set(cfg)
	checkDenied(t, runtime.do(http.MethodGet, path, nil), "runtime-images", sbom)
	cfg.Artifacts = config.Artifacts{}
	set(cfg)
	if got := runtime.do(http.MethodGet, path, nil); got.status != http.StatusOK {
		t.Errorf("status %d", got.status)
	}
}

// An index that can't be had leaves the registry's own bytes to judge by.
func TestArtifactPolicyWithoutTheIndex(t *testing.T) {
	f := newFixture(t, runtimeOnly)
	runtime := f.by("runtime")
	sbom := f.registry.put("a", referrer("sbom", f.registry.put("a", image("app"), "v1")), "sbom")
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	checkDenied(t, runtime.do(http.MethodGet, "/v2/a/manifests/"+sbom.String(), nil), "runtime-images", sbom)
	checkDenied(t, runtime.do(http.MethodHead, "/v2/a/manifests/sbom", nil), "runtime-images", sbom)
	if got := runtime.do(http.MethodGet, "/v2/a/manifests/v1", nil); got.status != http.StatusOK {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}
