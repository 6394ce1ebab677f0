package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

// covered is a proxy before a registry with tags.
type covered struct {
	*fixture
	tags []string
}

func newCovered(t *testing.T, configure ...func(*config.Config)) *covered {
	t.Helper()
	c := &covered{fixture: newFixture(t, append([]func(*config.Config){func(cfg *config.Config) {
		cfg.Referrers.RecheckTag, cfg.Referrers.RecheckNative = time.Minute, time.Minute
	}}, configure...)...)}
	c.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v2/app/tags/list" {
			return false
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "app", "tags": c.tags})
		return true
	})
	return c
}

// tagged puts an image with a tag into the registry.
func (c *covered) tagged(name string) digest.Digest {
	c.tags = append(c.tags, name)
	return c.registry.put("app", image(name), name)
}

// typed is a referrer of a type, with annotations.
func typed(artifactType string, subject digest.Digest, annotations map[string]string) []byte {
	encoded, _ := json.Marshal(annotations)
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],`+
		`"subject":{"mediaType":%q,"digest":%q,"size":1},"annotations":%s}`,
		imageManifest, artifactType, digest.FromString("{}"), imageManifest, subject, encoded)
}

const (
	typeSignature = "application/vnd.cncf.notary.signature"
	typeSBOM      = "application/spdx+json"
)

// ask returns the images of an answer.
func (c *covered) ask(query string) []coverage.Image {
	c.t.Helper()
	got := c.do(http.MethodGet, "/v2/app/_backref/coverage/images?"+query, nil)
	var page struct {
		Images  []coverage.Image
		Summary coverage.Summary
	}
	if err := json.Unmarshal(got.body, &page); err != nil || got.status != http.StatusOK {
		c.t.Fatalf("%d %v: %s", got.status, err, got.body)
	}
	if page.Summary.Images != len(page.Images) {
		c.t.Errorf("%d images, the summary says %d", len(page.Images), page.Summary.Images)
	}
	return page.Images
}

// states writes images as tags, platform and states, one a line.
func states(images []coverage.Image) string {
	var lines []string
	for _, image := range images {
		line := strings.Join(image.Tags, ",")
		if image.Platform != "" {
			line += " " + image.Platform
		}
		for _, outcome := range image.Requirements {
			line += fmt.Sprintf(" %s=%s", outcome.Requirement, outcome.State)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (c *covered) want(query, want string) {
	c.t.Helper()
	if got := states(c.ask(query)); got != want {
		c.t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
	}
}

// What is attached is found, by whichever way it was, and what is old or over is told.
func TestCoverageImages(t *testing.T) {
	c := newCovered(t)
	one, _, three := c.tagged("v1"), c.tagged("v2"), c.tagged("v3")
	c.tags = append(c.tags, "latest")
	c.registry.put("app", image("v1"), "latest")
	c.push("app", typed(typeSignature, one, nil))
	c.push("app", typed(typeSBOM, one, map[string]string{"org.opencontainers.image.created": "2020-01-01T00:00:00Z"}))
	c.push("app", typed(typeSignature, three, map[string]string{"com.github.backref.expires": "2020-01-01T00:00:00Z"}))
	c.want("", "latest,v1 signature=covered sbom=covered\nv2 signature=missing sbom=missing\nv3 signature=expired sbom=missing")
	c.want("require=sbom&maxAge=720h&tag=v1", "v1 sbom=outdated")
	c.want("require=application/spdx+json&tag=l*", "latest application/spdx+json=covered")
	c.want("require=signature&expiryAnnotation=other&tag=v3", "v3 signature=covered")

	// A referrers tag, and a legacy tag of cosign, are read where they are listed.
	tag := oci.ReferrersTag(three)
	sum := c.registry.put("app", typed(typeSBOM, three, map[string]string{"past": "backref"}))
	c.registry.put("app", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":1}]}`, imageIndex, imageManifest, sum), tag)
	c.tags = append(c.tags, tag, tag+".sig")
	c.registry.put("app", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},`+
		`"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":%q,"size":2}]}`, imageManifest, digest.FromString("{}"), digest.FromString("{}")), tag+".sig")
	later := newCoveredAt(t, c)
	later.want("tag=v3", "v3 signature=covered sbom=covered")
	for _, outcome := range later.ask("tag=v3")[0].Requirements {
		if by := outcome.Artifacts[0].By; outcome.Requirement == "signature" && by != coverage.ByTag {
			t.Errorf("the signature belongs to the image by %s", by)
		}
	}
}

// newCoveredAt is another proxy, which remembers nothing, before the same content.
func newCoveredAt(t *testing.T, before *covered) *covered {
	t.Helper()
	c := newCovered(t)
	c.tags = before.tags
	before.registry.mutex.Lock()
	defer before.registry.mutex.Unlock()
	for name, body := range before.registry.manifests {
		c.registry.manifests[name] = body
	}
	return c
}

// An index is covered for itself, and its images for themselves; a signature of the
// index covers them, an SBOM doesn't. BuildKit's attestations are of the images.
func TestCoveragePlatforms(t *testing.T) {
	c := newCovered(t)
	amd, arm := c.registry.put("app", image("amd")), c.registry.put("app", image("arm"))
	statement := c.registry.put("app", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},`+
		`"layers":[{"mediaType":"application/vnd.in-toto+json","digest":%q,"size":2,"annotations":{"in-toto.io/predicate-type":"https://spdx.dev/Document"}}]}`,
		imageManifest, digest.FromString("{}"), digest.FromString("{}")))
	entry := func(of digest.Digest, platform, annotations string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1,"platform":%s,"annotations":%s}`, imageManifest, of, platform, annotations)
	}
	list := c.registry.put("app", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s,%s,%s]}`, imageIndex,
		entry(amd, `{"os":"linux","architecture":"amd64"}`, `{}`), entry(arm, `{"os":"linux","architecture":"arm64","variant":"v8"}`, `{}`),
		entry(statement, `{"os":"unknown","architecture":"unknown"}`, fmt.Sprintf(`{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}`, amd))), "v1")
	c.tags = []string{"v1"}
	c.push("app", typed(typeSignature, list, nil))
	c.push("app", typed(typeSBOM, list, nil))
	c.want("require=signature&require=sbom", "v1 signature=covered sbom=covered")
	c.want("require=signature@each&require=sbom@each", "v1 linux/amd64 signature@each=covered sbom@each=covered\nv1 linux/arm64/v8 signature@each=covered sbom@each=missing")
	c.want("require=sbom@linux/arm64", "v1 linux/arm64/v8 sbom@linux/arm64=missing")
	c.want("require=attestation:https://spdx.dev/*@each&platform=linux/amd64", "v1 linux/amd64 attestation:https://spdx.dev/*@each=covered")
	c.want("require=sbom@linux/s390x", "v1 linux/s390x sbom@linux/s390x=missing")
	c.push("app", typed(typeSBOM, arm, nil))
	c.want("require=sbom@each", "v1 linux/amd64 sbom@each=covered\nv1 linux/arm64/v8 sbom@each=covered")
	image := c.ask("require=signature@linux/arm64")[0]
	if image.Index != list || image.Digest != arm || image.Requirements[0].Artifacts[0].By != coverage.ByIndex {
		t.Errorf("%+v", image)
	}
}

// Nothing that may be pulled as an image is left out by what its entry says of itself, and
// an index without any is no index that has all.
func TestCoverageLeavesNoImageOut(t *testing.T) {
	c := newCovered(t)
	disguised := c.registry.put("app", image("disguised"))
	odd := digest.FromString("odd")
	for tag, entries := range map[string]string{
		"v1": fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1,"platform":{"os":"linux","architecture":"arm64"},"annotations":{"vnd.docker.reference.type":"attestation-manifest"}}`, imageManifest, disguised),
		"v2": "",
		"v3": fmt.Sprintf(`{"mediaType":"application/vnd.example.image+json","digest":%q,"size":1,"platform":{"os":"linux","architecture":"arm64"}}`, odd),
		"v4": fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1,"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}}`, imageManifest, disguised, odd),
	} {
		c.registry.put("app", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, imageIndex, entries), tag)
	}
	c.tags = []string{"v1", "v2", "v3", "v4"}
	c.want("require=sbom@each", "v1 linux/arm64 sbom@each=missing\nv2 sbom@each=missing\nv3 linux/arm64 sbom@each=missing\nv4 sbom@each=missing")
}

// What the index is known to know is not asked for image by image, and what it may not
// know is: an error there is one of the answer, not a gap.
func TestCoverageAsksWhatItMust(t *testing.T) {
	c := newCovered(t)
	signed := c.tagged("v0")
	for i := 1; i < 40; i++ {
		c.tagged(fmt.Sprint("v", i))
	}
	c.push("app", typed(typeSignature, signed, nil))
	c.ask("require=signature")
	c.registry.seen()
	c.ask("require=signature")
	asked := slices.DeleteFunc(c.registry.seen(), func(request string) bool {
		return strings.Contains(request, "/manifests/v") || strings.HasSuffix(request, "/tags/list")
	})
	if len(asked) > 0 {
		t.Errorf("asked beside tags: %v", asked)
	}
	tag := oci.ReferrersTag(digest.FromBytes(image("v7")))
	c.tags = append(c.tags, tag)
	c.registry.put("app", []byte(`{"schemaVersion":2,"mediaType":"`+imageIndex+`","manifests":[]}`), tag)
	later := newCoveredAt(t, c)
	hook := later.registry.hook
	later.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/manifests/"+tag) {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return hook(w, r)
	})
	if got := later.do(http.MethodGet, "/v2/app/_backref/coverage/images?require=signature", nil); got.status != http.StatusBadGateway {
		t.Errorf("%d: %s", got.status, got.body)
	}
}

// Pages follow each other by tags, and too many tags are told.
func TestCoveragePages(t *testing.T) {
	c := newCovered(t, func(cfg *config.Config) { cfg.Limits.CoverageImages = 7 })
	for i := range 7 {
		c.tagged(fmt.Sprint("v", i))
	}
	var tags []string
	for at, pages := "/v2/app/_backref/coverage/images?n=3", 0; at != ""; pages++ {
		got := c.do(http.MethodGet, at, nil)
		var page struct{ Images []coverage.Image }
		if err := json.Unmarshal(got.body, &page); err != nil || pages > 3 {
			t.Fatal(err, pages)
		}
		for _, image := range page.Images {
			tags = append(tags, image.Tags...)
		}
		at, _ = oci.NextLink(got.header.Values("Link"))
	}
	if got := strings.Join(tags, " "); got != "v0 v1 v2 v3 v4 v5 v6" {
		t.Error(got)
	}
	c.tagged("v7")
	if got := c.do(http.MethodGet, "/v2/app/_backref/coverage/images", nil); got.status != http.StatusNotImplemented || !strings.Contains(string(got.body), "limits.coverageImages") {
		t.Errorf("%d: %s", got.status, got.body)
	}
	c.want("tag=v7", "v7 signature=missing sbom=missing")
}

// What can't be read of a question is refused, and so is to ask for signers where there
// are none.
func TestCoverageRefuses(t *testing.T) {
	c := newCovered(t)
	c.tagged("v1")
	for query, param := range map[string]string{
		"require=sbox": "require", "maxAge=-1h": "maxAge", "maxAge=1d": "maxAge", "platform=linux": "platform", "signedBy=me": "signedBy", "last=x": "last", "n=0": "n",
	} {
		if got := c.do(http.MethodGet, "/v2/app/_backref/coverage/images?"+query, nil); got.status != http.StatusBadRequest || !strings.Contains(string(got.body), param+": ") {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	stranger := c.do(http.MethodGet, "/v2/unknown/_backref/coverage/images", nil)
	c.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		http.NotFound(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return true
	})
	hidden := c.do(http.MethodGet, "/v2/app/_backref/coverage/images", nil)
	if hidden.status != http.StatusNotFound || string(hidden.body) != string(stranger.body) {
		t.Errorf("to whom the repository is hidden: %d %s, an unknown one: %d %s", hidden.status, hidden.body, stranger.status, stranger.body)
	}
}

// signers knows one signer, who signed what is annotated so.
type signers struct{}

func (signers) Signer(name string) bool { return name == "release" }

func (signers) SignedBy(_ context.Context, _ *registry.Reader, _ string, _ []string, subject, artifact oci.Descriptor) (registry.Signed, error) {
	if artifact.Annotations["by"] == "release" && subject.Digest != "" && subject.MediaType != "" {
		return registry.Signed{Subject: true}, nil
	}
	return registry.Signed{Reason: "by another key"}, nil
}

// Who signed is told by whoever is given for that.
func TestCoverageSignedBy(t *testing.T) {
	c := &covered{fixture: newFixtureSigned(t, signers{})}
	c.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v2/app/tags/list" {
			return false
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "app", "tags": c.tags})
		return true
	})
	one, two := c.tagged("v1"), c.tagged("v2")
	c.push("app", typed(typeSignature, one, map[string]string{"by": "release"}))
	c.push("app", typed(typeSignature, two, map[string]string{"by": "somebody"}))
	c.want("require=signature&signedBy=release", "v1 signature=covered\nv2 signature=unverified")
	if reason := c.ask("require=signature&signedBy=release&tag=v2")[0].Requirements[0].Reason; reason != "by another key" {
		t.Error(reason)
	}
	if got := c.do(http.MethodGet, "/v2/app/_backref/coverage/images?signedBy=unknown", nil); got.status != http.StatusBadRequest {
		t.Errorf("%d: %s", got.status, got.body)
	}
}
