package proxy_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// family is an image with an SBOM, a signature on that, and a scan, all pushed
// through a proxy before a registry that lists its tags.
type family struct {
	*fixture
	image, sbom, signature, scan digest.Digest
}

func newFamily(t *testing.T, configure ...func(*config.Config)) family {
	t.Helper()
	f := family{fixture: newFixture(t, configure...)}
	f.registry.answer(f.registry.listTags)
	f.image = f.registry.put("a", image("app"), "v1")
	sbom := referrer("sbom", f.image)
	f.sbom = digest.FromBytes(sbom)
	signature, scan := referrer("signature", f.sbom), referrer("scan", f.image)
	f.signature, f.scan = digest.FromBytes(signature), digest.FromBytes(scan)
	for _, manifest := range [][]byte{sbom, signature, scan} {
		if got := f.push("a", manifest); got.status != http.StatusCreated {
			t.Fatalf("push: %d %s", got.status, got.body)
		}
	}
	f.registry.seen()
	return f
}

// listTags answers for the list of tags, which the odd registry has not.
func (o *oddRegistry) listTags(w http.ResponseWriter, r *http.Request) bool {
	repository, is := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")
	if !is {
		return false
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	tags := []string{}
	for name := range o.manifests {
		if at, reference, _ := strings.Cut(name, "@"); at == repository && !strings.Contains(reference, ":") {
			tags = append(tags, reference)
		}
	}
	slices.Sort(tags)
	_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": tags})
	return true
}

// has tells whether the registry has a manifest.
func (f family) has(manifest digest.Digest) bool {
	f.registry.mutex.Lock()
	defer f.registry.mutex.Unlock()
	_, found := f.registry.manifests["a@"+manifest.String()]
	return found
}

// delete deletes through the proxy and returns what the answer says.
func (f family) delete(reference string) (reply, registry.Cascaded) {
	f.t.Helper()
	got := f.do(http.MethodDelete, "/v2/a/manifests/"+reference, nil)
	var answer registry.Cascaded
	if got.status == http.StatusAccepted && len(got.body) > 0 {
		if err := json.Unmarshal(got.body, &answer); err != nil {
			f.t.Fatalf("%v: %s", err, got.body)
		}
	}
	return got, answer
}

func digestsIn(manifests []registry.CascadedManifest) []digest.Digest {
	digests := make([]digest.Digest, 0, len(manifests))
	for _, m := range manifests {
		digests = append(digests, m.Digest)
	}
	return digests
}

func TestC2ReferrersGoWithAManifest(t *testing.T) {
	f := newFamily(t)
	got, answer := f.delete(f.image.String() + "?referrers=delete")
	gone := digestsIn(answer.Deleted)
	if got.status != http.StatusAccepted || len(gone) != 4 || len(answer.Kept)+len(answer.Pending) > 0 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if gone[3] != f.image || slices.Index(gone, f.signature) > slices.Index(gone, f.sbom) {
		t.Errorf("in the order %v", gone)
	}
	for _, manifest := range []digest.Digest{f.image, f.sbom, f.signature, f.scan} {
		if f.has(manifest) {
			t.Errorf("%s is still there", manifest)
		}
	}
	for _, path := range f.registry.seen() {
		if strings.Contains(path, "referrers=") {
			t.Errorf("the registry saw %s", path)
		}
	}
	if len(f.list("a", f.image)) > 0 || len(f.list("a", f.sbom)) > 0 {
		t.Error("something is listed")
	}
}

func TestC2ReferrersStayByDefault(t *testing.T) {
	f := newFamily(t)
	for _, query := range []string{"", "?referrers=keep"} {
		f.registry.put("a", image("app"), "v1")
		if got, _ := f.delete(f.image.String() + query); got.status != http.StatusAccepted {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if len(f.list("a", f.image)) != 2 || !f.has(f.sbom) {
			t.Errorf("%q: a referrer went", query)
		}
	}
}

func TestC2WhatSomethingElseHoldsStays(t *testing.T) {
	for name, c := range map[string]struct {
		hold func(f family)
		// kept are the signature's, the SBOM's and the scan's fates.
		signature, sbom, scan bool
		reason                string
	}{
		"a tag": {func(f family) { f.registry.put("a", referrer("signature", f.sbom), "release") }, true, true, false, "tag release names it"},
		"an image index": {func(f family) {
			list := indexOf(referrer("scan", f.image), image("other"))
			f.registry.put("a", image("other"))
			f.do(http.MethodPut, "/v2/a/manifests/all", list, "Content-Type", imageIndex)
		}, false, false, true, "lists it"},
		"a list that a client kept is none": {func(f family) {
			list := indexOf(referrer("scan", f.image), referrer("sbom", f.image))
			f.do(http.MethodPut, "/v2/a/manifests/"+digest.FromBytes(list).String(), list, "Content-Type", imageIndex)
		}, false, false, false, ""},
		"its type": {func(family) {}, true, true, false, "its type was not asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t)
			c.hold(f)
			query := "?referrers=delete"
			if name == "its type" {
				query += "&artifactType=application/vnd.example.scan"
			}
			got, answer := f.delete(f.image.String() + query)
			if got.status != http.StatusAccepted || f.has(f.image) {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if f.has(f.signature) != c.signature || f.has(f.sbom) != c.sbom || f.has(f.scan) != c.scan {
				t.Errorf("kept: %s", got.body)
			}
			if c.reason != "" && !slices.ContainsFunc(answer.Kept, func(m registry.CascadedManifest) bool { return strings.Contains(m.Reason, c.reason) }) {
				t.Errorf("reasons: %s", got.body)
			}
		})
	}
}

// A registry that deletes nothing is found out before anything is changed.
func TestC2NothingHalfDoneWithoutDeletes(t *testing.T) {
	f := newFamily(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusMethodNotAllowed)
			_, _ = w.Write([]byte(`{"errors":[{"code":"UNSUPPORTED"}]}`))
			return true
		}
		return f.registry.listTags(w, r)
	})
	got, _ := f.delete(f.image.String() + "?referrers=delete")
	if got.status != http.StatusMethodNotAllowed || !strings.Contains(string(got.body), "UNSUPPORTED") || !strings.Contains(string(got.body), "enable deletes") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if len(f.list("a", f.image)) != 2 || len(f.list("a", f.sbom)) != 1 {
		t.Error("something is listed no more")
	}
}

// What the registry can't be asked to delete just now is listed no more, and goes
// with the next who deletes so.
func TestC2WhatIsLeftGoesLater(t *testing.T) {
	f := newFamily(t)
	down := true
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if down && r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, f.scan.String()) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return f.registry.listTags(w, r)
	})
	got, answer := f.delete(f.image.String() + "?referrers=delete")
	if got.status != http.StatusAccepted || !slices.Contains(digestsIn(answer.Pending), f.scan) || !slices.Contains(digestsIn(answer.Pending), f.image) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if len(f.list("a", f.image)) > 0 {
		t.Error("what is to be deleted is listed")
	}
	// Whoever pushes it again wants it there.
	if got := f.do(http.MethodPut, "/v2/a/manifests/v1", image("app"), "Content-Type", imageManifest); got.status != http.StatusCreated || got.header.Get("OCI-Subject") != "" {
		t.Errorf("pushed again: %d %s", got.status, got.body)
	}
	// A listing waits for what is being written.
	f.list("a", f.image)
	open, err := f.store.Removals(t.Context(), "a", 0, 10)
	if err != nil || slices.ContainsFunc(open, func(removal index.Intent) bool { return removal.Record.Digest == f.image }) || len(open) == 0 {
		t.Errorf("open removals: %v, %v", open, err)
	}
	down = false
	if got, _ := f.delete(f.image.String() + "?referrers=delete"); got.status != http.StatusAccepted {
		t.Fatalf("again: %d %s", got.status, got.body)
	}
	if f.has(f.image) {
		t.Error("the image is still there")
	}
}

func TestC2RulesTakeReferrersAlong(t *testing.T) {
	rule := func(lastTag bool) func(*config.Config) {
		return func(cfg *config.Config) {
			cfg.Delete.Cascade = []config.CascadeRule{{Name: "all", Repositories: []string{"a"}, LastTag: lastTag}}
		}
	}
	t.Run("with the manifest", func(t *testing.T) {
		f := newFamily(t, rule(false))
		if got, answer := f.delete(f.image.String()); got.status != http.StatusAccepted || answer.Rule != "all" || len(answer.Deleted) != 4 {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("unless the delete says otherwise", func(t *testing.T) {
		f := newFamily(t, rule(false))
		if got, _ := f.delete(f.image.String() + "?referrers=keep"); got.status != http.StatusAccepted || !f.has(f.sbom) {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	for _, lastTag := range []bool{false, true} {
		f := newFamily(t, rule(lastTag))
		f.registry.put("a", image("app"), "v2")
		if got, _ := f.delete("v1"); got.status != http.StatusAccepted || !f.has(f.sbom) {
			t.Errorf("one of two tags: %d %s", got.status, got.body)
		}
		got, answer := f.delete("v2")
		if got.status != http.StatusAccepted || f.has(f.sbom) == lastTag || lastTag && len(answer.Deleted) != 3 {
			t.Errorf("last tag, rule says %v: %d %s", lastTag, got.status, got.body)
		}
	}
}

func TestC2WrongDeletesChangeNothing(t *testing.T) {
	f := newFamily(t)
	for query, reason := range map[string]string{
		f.image.String() + "?referrers=all":                     "delete or keep",
		f.image.String() + "?referrers=delete&referrers=delete": "said once",
		f.image.String() + "?referrers=keep&artifactType=a":     "artifactType",
		f.image.String() + "?referrers=delete&artifactType=":    "artifact type is empty",
		f.image.String() + "?referrers=delete;x=1":              "encode ;",
		"v1?referrers=delete":                                   "resolve the tag",
		f.image.String() + "?referrers=delete&ns=other.test":    "of this registry",
	} {
		if got, _ := f.delete(query); got.status != http.StatusBadRequest || !strings.Contains(string(got.body), reason) {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	for _, path := range f.registry.seen() {
		if strings.HasPrefix(path, http.MethodDelete) {
			t.Errorf("the registry saw %s", path)
		}
	}
}
