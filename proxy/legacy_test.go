package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// cosigned returns the manifest that cosign 2 keeps under a tag; equal names give
// equal bytes.
func cosigned(layerType, name string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},`+
		`"layers":[{"mediaType":%q,"digest":%q,"size":2,"annotations":{"name":%q}}]}`,
		imageManifest, digest.FromString("{}"), layerType, digest.FromString("{}"), name)
}

const (
	signatureLayer = "application/vnd.dev.cosign.simplesigning.v1+json"
	sbomLayer      = "text/spdx+json"
)

// legacyStage is a subject with a referrer, a signature and an SBOM of cosign 2,
// and a signature on the SBOM.
type legacyStage struct {
	*fixture
	subject, referrer, signature, sbom, onSBOM digest.Digest
	sigTag                                     string
}

func newLegacyStage(t *testing.T, configure ...func(*config.Config)) legacyStage {
	t.Helper()
	f := newFixture(t, configure...)
	s := legacyStage{fixture: f, subject: f.registry.put("app", image("subject"), "v1")}
	f.push("app", referrer("signature", s.subject))
	s.referrer = digest.FromBytes(referrer("signature", s.subject))
	tags := oci.CosignTags(s.subject)
	s.sigTag = tags[0]
	s.signature = f.registry.put("app", cosigned(signatureLayer, "image"), tags[0])
	f.registry.put("app", image("just a tag"), tags[1])
	s.sbom = f.registry.put("app", cosigned(sbomLayer, "sbom"), tags[2])
	s.onSBOM = f.registry.put("app", cosigned(signatureLayer, "sbom"), oci.CosignTags(s.sbom)[0])
	f.registry.seen()
	return s
}

// shown is an entry or node of the extension.
type shown struct {
	Digest       digest.Digest
	ArtifactType string
	Legacy       bool
	Tag          string
}

// listed asks graph/referrers, page by page.
func (s legacyStage) listed(query string, headers ...string) []shown {
	s.t.Helper()
	var all []shown
	for at := "/v2/app/_backref/graph/referrers?subject=v1&" + query; at != ""; {
		got := s.do(http.MethodGet, at, nil, headers...)
		var page struct{ Manifests []shown }
		if err := json.Unmarshal(got.body, &page); err != nil || got.status != http.StatusOK {
			s.t.Fatalf("%s: %d %s", at, got.status, got.body)
		}
		all = append(all, page.Manifests...)
		at = strings.TrimSuffix(strings.TrimPrefix(got.header.Get("Link"), "<"), `>; rel="next"`)
	}
	return all
}

func digestsOf(entries []shown) []digest.Digest {
	var all []digest.Digest
	for _, entry := range entries {
		all = append(all, entry.Digest)
	}
	return all
}

func inOrder(digests ...digest.Digest) []digest.Digest {
	return slices.Sorted(slices.Values(digests))
}

// X4: what cosign 2 left is shown as legacy referrers by the extension, and never
// by the referrers API.
func TestX4LegacyReferrers(t *testing.T) {
	s := newLegacyStage(t)
	all := s.listed("")
	if got, want := digestsOf(all), inOrder(s.referrer, s.signature, s.sbom); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, entry := range all {
		want := shown{s.referrer, "application/vnd.example.signature", false, ""}
		switch entry.Digest {
		case s.signature:
			want = shown{s.signature, "application/vnd.dev.cosign.artifact.sig.v1+json", true, s.sigTag}
		case s.sbom:
			want = shown{s.sbom, "application/vnd.dev.cosign.artifact.sbom.v1+json", true, oci.CosignTags(s.subject)[2]}
		}
		if entry != want {
			t.Errorf("got %+v, want %+v", entry, want)
		}
	}
	if got := s.list("app", s.subject); !slices.Equal(got, []digest.Digest{s.referrer}) {
		t.Errorf("the referrers API lists %v", got)
	}
	if got := s.do(http.MethodGet, "/v2/app/referrers/"+s.subject.String()+"?legacy=true", nil); len(listed(t, got.body)) != 1 {
		t.Errorf("the referrers API lists %s", got.body)
	}
	for query, want := range map[string][]digest.Digest{
		"legacy=false": {s.referrer},
		"n=1":          inOrder(s.referrer, s.signature, s.sbom),
		"sort=-artifactType&n=1": {
			s.referrer, s.signature, s.sbom,
		},
		"sort=created&n=2": append(inOrder(s.signature, s.sbom), s.referrer),
		"artifactType=" + url.QueryEscape("application/vnd.dev.cosign.*"): inOrder(s.signature, s.sbom),
		"annotation=name": nil,
	} {
		if got := digestsOf(s.listed(query)); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	if got := s.do(http.MethodGet, "/v2/app/_backref/graph/tree?subject=v1&legacy=perhaps", nil); got.status != http.StatusBadRequest {
		t.Errorf("legacy=perhaps: %d %s", got.status, got.body)
	}
}

func TestX4LegacyReferrersInATree(t *testing.T) {
	s := newLegacyStage(t)
	type node struct {
		Descriptor shown
		Referrers  []node
	}
	tree := func(query string) (root node) {
		t.Helper()
		got := s.do(http.MethodGet, "/v2/app/_backref/graph/tree?subject=v1"+query, nil)
		if err := json.Unmarshal(got.body, &root); err != nil || got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return root
	}
	root := tree("")
	if len(root.Referrers) != 3 {
		t.Fatalf("the tree: %+v", root)
	}
	for _, n := range root.Referrers {
		below := len(n.Referrers)
		switch {
		case n.Descriptor.Digest != s.sbom && below > 0,
			n.Descriptor.Digest == s.sbom && (below != 1 || n.Referrers[0].Descriptor.Digest != s.onSBOM || !n.Referrers[0].Descriptor.Legacy),
			n.Descriptor.Legacy != (n.Descriptor.Digest != s.referrer):
			t.Errorf("below the subject: %+v", n)
		}
	}
	if root := tree("&legacy=false"); len(root.Referrers) != 1 {
		t.Errorf("without them: %+v", root)
	}
}

// The operator's word counts where the query says nothing.
func TestX4LegacyReferrersOff(t *testing.T) {
	s := newLegacyStage(t, func(cfg *config.Config) { cfg.Referrers.LegacyTags = config.LegacyOff })
	if got := s.listed(""); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	if asked := s.askedTags(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
	if got := s.listed("legacy=true"); len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

// askedTags returns the questions for tags of cosign since the last call.
func (s legacyStage) askedTags() []string {
	var asked []string
	for _, request := range s.registry.seen() {
		if _, tag, _ := strings.Cut(request, "/manifests/"); oci.IsCosignTag(tag) {
			asked = append(asked, tag)
		}
	}
	return slices.Sorted(slices.Values(asked))
}

// Three questions are asked, and no more until referrers.recheckTag is over; what
// is pushed and deleted through backref is seen at once.
func TestX4LegacyTagsAreAskedForOnce(t *testing.T) {
	s := newLegacyStage(t, func(cfg *config.Config) {
		cfg.Referrers.RecheckTag, cfg.Permissions.CacheTTL = time.Hour, time.Hour
	})
	want := slices.Sorted(slices.Values(oci.CosignTags(s.subject)))
	for i := range 2 {
		if got := s.listed(""); len(got) != 3 {
			t.Errorf("got %v", got)
		}
		if asked := s.askedTags(); i == 0 && !slices.Equal(asked, want) || i > 0 && len(asked) > 0 {
			t.Errorf("round %d: asked for %v", i, asked)
		}
	}
	again := cosigned(signatureLayer, "image, signed again")
	s.do(http.MethodPut, "/v2/app/manifests/"+s.sigTag, again, "Content-Type", imageManifest)
	if got := digestsOf(s.listed("")); !slices.Equal(got, inOrder(s.referrer, digest.FromBytes(again), s.sbom)) {
		t.Errorf("after it was signed again: %v", got)
	}
	s.registry.drop("app", s.sbom)
	delete(s.registry.manifests, "app@"+oci.CosignTags(s.subject)[2])
	s.do(http.MethodDelete, "/v2/app/manifests/"+s.sbom.String(), nil)
	if got := digestsOf(s.listed("")); !slices.Equal(got, inOrder(s.referrer, digest.FromBytes(again))) {
		t.Errorf("after the SBOM was deleted by digest: %v", got)
	}
	s.do(http.MethodDelete, "/v2/app/manifests/"+s.sigTag, nil)
	if got := digestsOf(s.listed("")); !slices.Equal(got, []digest.Digest{s.referrer}) {
		t.Errorf("after the tag of the signature was deleted: %v", got)
	}
}

// A tag that can't be asked for makes no list shorter.
func TestX4AFailingLegacyTagIsAnError(t *testing.T) {
	s := newLegacyStage(t)
	s.registry.answer(status(http.StatusInternalServerError, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, s.sigTag) }))
	for _, endpoint := range []string{"referrers", "tree"} {
		got := s.do(http.MethodGet, "/v2/app/_backref/graph/"+endpoint+"?subject=v1", nil)
		if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", endpoint, got.status, got.body)
		}
	}
	if got := s.list("app", s.subject); len(got) != 1 {
		t.Errorf("the referrers API needs it not: %v", got)
	}
}

// An upstream's own listing can't call an entry legacy.
func TestX4NoRegistryListsLegacyReferrers(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"), "v1")
	gone := digest.FromString("gone")
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !isReferrers(r) {
			return false
		}
		w.Header().Set("Content-Type", imageIndex)
		_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":2,"legacy":true,"tag":5}]}`, imageManifest, gone)
		return true
	})
	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
	if !slices.Equal(listed(t, got.body), []digest.Digest{gone}) || strings.Contains(string(got.body), "legacy") || strings.Contains(string(got.body), "tag\"") {
		t.Errorf("got %s", got.body)
	}
}
