package requirements

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// ext asks an endpoint of the extension in a repository, which has to answer.
func ext(t *testing.T, s stage, repository, endpoint string, params url.Values) rig.Reply {
	t.Helper()
	return rig.Do(t, http.MethodGet, s.backref.URL+"/v2/"+repository+"/_backref/"+endpoint+"?"+params.Encode(), nil).Want(t, http.StatusOK)
}

// read reads the JSON of a reply.
func read[T any](t *testing.T, reply rig.Reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(reply.Body, &v); err != nil {
		t.Fatalf("%v: %s", err, reply.Body)
	}
	return v
}

// next returns the page that a reply links to; false where it is the last.
func next(t *testing.T, s stage, reply rig.Reply) (rig.Reply, bool) {
	t.Helper()
	link := reply.Header.Get("Link")
	if link == "" {
		return rig.Reply{}, false
	}
	path := strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
	return rig.Do(t, http.MethodGet, s.backref.URL+path, nil).Want(t, http.StatusOK), true
}

// attach pushes a referrer with annotations.
func attach(t *testing.T, s stage, artifactType, name string, subject rig.Manifest, annotations ...string) rig.Manifest {
	t.Helper()
	m := rig.Artifact(artifactType, name, subject.Descriptor())
	for i := 0; i < len(annotations); i += 2 {
		m.Annotations[annotations[i]] = annotations[i+1]
	}
	rig.Push(t, s.backref.URL, "app", "", m).Want(t, http.StatusCreated)
	return m
}

// F2: list everything that references an artifact by its tag.
func TestF2ListingByTag(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("f2 by tag")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		for i := range 3 {
			attach(t, s, "application/vnd.example.a", fmt.Sprint(i), image)
		}
		direct := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/referrers/"+image.Digest().String(), nil).Want(t, http.StatusOK)
		for _, subject := range []string{"v1", image.Digest().String()} {
			got := ext(t, s, "app", "graph/referrers", url.Values{"subject": {subject}})
			// Beside what the API shows, each entry has the time that it is ordered by.
			dated := regexp.MustCompile(`,"created":"[^"]+"`)
			if times := dated.FindAll(got.Body, -1); len(times) != 3 {
				t.Errorf("%s: %s, want three times", subject, got.Body)
			}
			if string(dated.ReplaceAll(got.Body, nil)) != string(direct.Body) || got.Header.Get("OCI-Subject") != image.Digest().String() {
				t.Errorf("%s: %s, want %s", subject, got.Body, direct.Body)
			}
		}
		// The pages stay with the manifest when the tag moves on.
		page := ext(t, s, "app", "graph/referrers", url.Values{"subject": {"v1"}, "n": {"1"}})
		rig.Push(t, s.backref.URL, "app", "v1", rig.Image("f2 moved")).Want(t, http.StatusCreated)
		count := 1
		for more := true; more; {
			if page, more = next(t, s, page); more {
				count++
			}
		}
		if count != 3 {
			t.Errorf("%d pages, want 3", count)
		}
		missing := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/_backref/graph/referrers?subject=none", nil).Want(t, http.StatusNotFound)
		if !strings.Contains(string(missing.Body), "MANIFEST_UNKNOWN") {
			t.Errorf("a tag that is not there: %s", missing.Body)
		}
	})
}

// F3: several types at once, and globs.
func TestF3SeveralTypesAndGlobs(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("f3 types")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		spdx := attach(t, s, "application/spdx+json", "a", image)
		cyclone := attach(t, s, "application/vnd.cyclonedx+json", "b", image)
		attach(t, s, "application/vnd.example.signature", "c", image)
		for _, params := range []string{
			"artifactType=application/spdx%2Bjson&artifactType=application/vnd.cyclonedx%2Bjson",
			"artifactType=*%2Bjson",
			"artifactType=application/spdx%3Fjson&artifactType=*cyclone*",
		} {
			got := digests(rig.Listing(t, s.backref.URL, "app", image.Digest(), params))
			want := []digest.Digest{spdx.Digest(), cyclone.Digest()}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", params, got, want)
			}
		}
	})
}

// F4: list by annotations.
func TestF4ByAnnotation(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("f4")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		alice := attach(t, s, "application/vnd.example.signature", "a", image, "org.example.identity", "alice@example.org")
		bob := attach(t, s, "application/vnd.example.signature", "b", image, "org.example.identity", "bob@example.org")
		attach(t, s, "application/vnd.example.signature", "c", image)
		for params, want := range map[string][]rig.Manifest{
			"annotation=org.example.identity":                                          {alice, bob},
			"annotation=org.example.identity%3Dalice@example.org":                      {alice},
			"annotation=org.example.identity!%3Dalice@example.org":                     {bob},
			"annotation=org.example.identity&annotation=name%3Db":                      {bob},
			"annotation=org.example.identity%3Dcarol":                                  {},
			"annotation=org.example.identity&artifactType=application/vnd.example.sig": {},
		} {
			reply := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/referrers/"+image.Digest().String()+"?"+params, nil).Want(t, http.StatusOK)
			filters := "annotation"
			if strings.Contains(params, "artifactType") {
				filters = "artifactType,annotation"
			}
			if got := reply.Header.Get("OCI-Filters-Applied"); got != filters {
				t.Errorf("%s: OCI-Filters-Applied %q", params, got)
			}
			var listed []digest.Digest
			for _, m := range want {
				listed = append(listed, m.Digest())
			}
			slices.Sort(listed)
			if got := digests(rig.Listing(t, s.backref.URL, "app", image.Digest(), params+"&n=1")); !slices.Equal(got, listed) {
				t.Errorf("%s: got %v, want %v", params, got, listed)
			}
		}
	})
}

// F4: a query that can't be answered says which parameter is wrong.
func TestF4BadQueriesNameTheParameter(t *testing.T) {
	s := newStage(t, rig.Distribution2)
	some := rig.Image("x").Digest().String()
	for path, param := range map[string]string{
		"referrers/" + some + "?annotation=%3Dvalue":               "annotation",
		"referrers/" + some + "?annotation=key%3Esoon":             "annotation",
		"referrers/" + some + "?sort=size":                         "sort",
		"referrers/" + some + "?n=0":                               "n",
		"referrers/" + some + "?last=x":                            "last",
		"_backref/graph/referrers":                                 "subject",
		"_backref/graph/referrers?subject=a/b":                     "subject",
		"_backref/graph/referrers?subject=sha256:abc":              "subject",
		"_backref/graph/parents?digest=latest":                     "digest",
		"_backref/graph/tree?subject=" + some + "&depth=many":      "depth",
		"_backref/graph/tree?subject=" + some + "&depth=1&depth=2": "depth",
		"_backref/catalog/artifacts?sort=name":                     "sort",
		"_backref/catalog/tags?sort=digest":                        "sort",
		"_backref/catalog/tags?last=x":                             "last",
	} {
		got := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/"+path, nil).Want(t, http.StatusBadRequest)
		if !strings.Contains(string(got.Body), `"message":"`+param+": ") {
			t.Errorf("%s: %s", path, got.Body)
		}
	}
	if got := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/_backref/catalog/artifacts", nil); got.Status != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", got.Status)
	}
}

// F5: get the most recent artifact.
func TestF5MostRecent(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("f5")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		const created = "org.opencontainers.image.created"
		attach(t, s, "application/vnd.example.scan", "old", image, created, "2020-01-01T00:00:00Z")
		future := attach(t, s, "application/vnd.example.scan", "new", image, created, "2199-01-01T01:00:00+02:00")
		attach(t, s, "application/vnd.example.scan", "first seen", image)
		seen := attach(t, s, "application/vnd.example.other", "seen later", image, created, "not a time")
		for params, want := range map[string]rig.Manifest{
			"sort=-created&n=1": future,
			"sort=-created&n=1&artifactType=application/vnd.example.other":                         seen,
			"sort=-created&n=1&annotation=org.opencontainers.image.created%3C2199-01-01T00:00:00Z": future,
		} {
			reply := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/referrers/"+image.Digest().String()+"?"+params, nil).Want(t, http.StatusOK)
			got := read[struct{ Manifests []rig.Descriptor }](t, reply).Manifests
			if len(got) != 1 || got[0].Digest != want.Digest() {
				t.Errorf("%s: got %v, want %s", params, got, want.Digest())
			}
		}
	})
}

// C13: time and number ranges on artifacts, and versions.
func TestC13Ranges(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("c13")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		for i, values := range [][3]string{
			{"2026-01-01T00:00:00Z", "9", "1.9.0"},
			{"2026-02-01T00:00:00Z", "10", "1.10.0-rc.1"},
			{"2026-03-01T00:00:00+01:00", "10.5", "1.10.0"},
			{"soon", "many", "latest"},
		} {
			attach(t, s, "application/vnd.example.scan", fmt.Sprint(i), image, "expires", values[0], "score", values[1], "fixed", values[2])
		}
		for params, want := range map[string]string{
			"annotation=expires%3C2026-02-15T00:00:00Z":                       "01",
			"annotation=expires%3E%3D2026-02-28T23:00:00Z":                    "2",
			"annotation=score%3E9":                                            "12",
			"annotation=score%3E9&annotation=score%3C10.5":                    "1",
			"annotation=fixed%3E1.9.0":                                        "12",
			"annotation=fixed%3E%3D1.9.0&annotation=fixed%3C1.10.0&sort=name": "",
			"annotation=fixed%3C1.10.0":                                       "01",
		} {
			if strings.Contains(params, "sort=name") {
				rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/referrers/"+image.Digest().String()+"?"+params, nil).Want(t, http.StatusBadRequest)
				continue
			}
			var names []string
			for _, entry := range rig.Listing(t, s.backref.URL, "app", image.Digest(), params) {
				names = append(names, entry.Annotations["name"])
			}
			slices.Sort(names)
			if got := strings.Join(names, ""); got != want {
				t.Errorf("%s: got %q, want %q", params, got, want)
			}
		}
	})
}

// B5: find out whether referrers, and the extension, are supported.
func TestB5Discovery(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		for _, base := range []string{"/v2/", "/v2/app/"} {
			reply := rig.Do(t, http.MethodGet, s.backref.URL+base+"_oci/ext/discover", nil).Want(t, http.StatusOK)
			document := read[struct {
				Extensions []struct {
					Name, URL, Description string
					Endpoints              []string
				}
			}](t, reply)
			var names []string
			for _, e := range document.Extensions {
				names = append(names, e.Name)
				for _, endpoint := range e.Endpoints {
					at := s.backref.URL + strings.ReplaceAll(endpoint, "{name}", "app")
					// They are there: all that is missing is a parameter.
					if got := rig.Do(t, http.MethodGet, at, nil); got.Status != http.StatusOK && got.Status != http.StatusBadRequest && got.Status != http.StatusNotFound {
						t.Errorf("%s: status %d", endpoint, got.Status)
					}
				}
			}
			if !slices.Contains(names, "_oci") || !slices.Contains(names, "_backref") || reply.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %s", base, reply.Body)
			}
		}
	})
}

// node is a manifest in a tree.
type node struct {
	Descriptor struct {
		rig.Descriptor
	}
	Missing   bool
	Cut       string
	Subject   *node
	Referrers []node
	Manifests []node
}

// draw writes a tree on one line: what a node is called, what it refers to after
// ^, its manifests in brackets, its referrers in parentheses.
func draw(n node) string {
	name := n.Descriptor.Annotations["name"]
	if name == "" {
		name = "index"
	}
	if n.Missing {
		name = "missing"
	}
	if n.Cut != "" {
		name += "!" + n.Cut
	}
	if n.Subject != nil {
		name += "^" + draw(*n.Subject)
	}
	list := func(nodes []node, open, end string) string {
		if len(nodes) == 0 {
			return ""
		}
		var parts []string
		for _, n := range nodes {
			parts = append(parts, draw(n))
		}
		slices.Sort(parts)
		return open + strings.Join(parts, " ") + end
	}
	return name + list(n.Manifests, "[", "]") + list(n.Referrers, "(", ")")
}

// C9: record what an artifact requires and provides, and see both directions.
func TestC9Tree(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		amd64, arm64 := rig.Image("amd64"), rig.Image("arm64")
		rig.Push(t, s.backref.URL, "app", "", amd64).Want(t, http.StatusCreated)
		// One was pushed past backref.
		rig.Push(t, s.registry.URL, "app", "", arm64).Want(t, http.StatusCreated)
		index := rig.Index(amd64.Descriptor(), arm64.Descriptor())
		rig.Push(t, s.backref.URL, "app", "v1", index).Want(t, http.StatusCreated)
		sbom := attach(t, s, "application/spdx+json", "sbom", amd64, "org.example.requires", "libc")
		signature := attach(t, s, "application/vnd.example.signature", "signature", sbom)
		attach(t, s, "application/vnd.example.signature", "whole", index)

		tree := func(params url.Values) string {
			return draw(read[node](t, ext(t, s, "app", "graph/tree", params)))
		}
		for _, c := range []struct{ subject, depth, want string }{
			{"v1", "", "index[amd64(sbom(signature)) arm64](whole)"},
			{"v1", "2", "index[amd64(sbom!depth) arm64](whole)"},
			{"v1", "0", "index!depth"},
			{signature.Digest().String(), "", "signature^sbom^amd64"},
			{sbom.Digest().String(), "", "sbom^amd64(signature)"},
			{signature.Digest().String(), "1", "signature^sbom!depth"},
			{rig.Image("unknown").Digest().String(), "", "missing"},
		} {
			params := url.Values{"subject": {c.subject}}
			if c.depth != "" {
				params.Set("depth", c.depth)
			}
			if got := tree(params); got != c.want {
				t.Errorf("%s to depth %q: got %s, want %s", c.subject, c.depth, got, c.want)
			}
		}
	})
}

// C9: a tree is cut where it would be too large, and says so.
func TestC9TreeIsBounded(t *testing.T) {
	s := newStage(t, rig.Distribution2, "--set", "limits.treeNodes=4")
	image := rig.Image("bounded")
	rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
	for i := range 6 {
		attach(t, s, "application/vnd.example.a", fmt.Sprint("n", i), image)
	}
	got := read[node](t, ext(t, s, "app", "graph/tree", url.Values{"subject": {"v1"}}))
	if got.Cut != "limit" || len(got.Referrers) != 3 {
		t.Errorf("got %s", draw(got))
	}
	// A manifest that is an index's and a referrer's at once is shown with what
	// it has once.
	both := rig.Artifact("application/vnd.example.attestation", "both", image.Descriptor())
	rig.Push(t, s.backref.URL, "app", "", both).Want(t, http.StatusCreated)
	s = stage{s.registry, rig.NewBackref(t, s.registry.URL)}
	index := rig.Index(image.Descriptor(), both.Descriptor())
	rig.Push(t, s.backref.URL, "app", "v2", index).Want(t, http.StatusCreated)
	attach(t, s, "application/vnd.example.attestation", "both", image)
	if got := draw(read[node](t, ext(t, s, "app", "graph/tree", url.Values{"subject": {"v2"}}))); got != "index[both bounded(both!repeated)]" {
		t.Errorf("got %s", got)
	}
}

// M6: walk the content graph backwards.
func TestM6Parents(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("m6")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		index := rig.Index(image.Descriptor())
		rig.Push(t, s.backref.URL, "app", "all", index).Want(t, http.StatusCreated)
		signature := attach(t, s, "application/vnd.example.signature", "signature", image)
		type parents struct {
			Digest  digest.Digest
			Parents []struct {
				Kind       string
				Descriptor rig.Descriptor
			}
		}
		walk := func(child digest.Digest) []string {
			var all []string
			reply, more := ext(t, s, "app", "graph/parents", url.Values{"digest": {child.String()}, "n": {"1"}}), true
			for more {
				for _, parent := range read[parents](t, reply).Parents {
					all = append(all, parent.Kind+" "+parent.Descriptor.Digest.String())
				}
				reply, more = next(t, s, reply)
			}
			slices.Sort(all)
			return all
		}
		empty := digest.FromString(rig.Empty)
		// The blob first: nothing is known of the client yet, and the registry
		// has no manifest by which that could be told.
		for _, tried := range []struct {
			child digest.Digest
			want  []string
		}{
			{empty, []string{
				"config " + image.Digest().String(), "config " + signature.Digest().String(),
				"layer " + signature.Digest().String(),
			}},
			{image.Digest(), []string{"manifest " + index.Digest().String(), "subject " + signature.Digest().String()}},
			{index.Digest(), nil},
		} {
			slices.Sort(tried.want)
			if got := walk(tried.child); !slices.Equal(got, tried.want) {
				t.Errorf("parents of %s: got %v, want %v", tried.child, got, tried.want)
			}
		}
	})
}

// M4: let a scanner know each artifact's type.
func TestM4Artifacts(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("m4")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		sbom := attach(t, s, "application/spdx+json", "sbom", image)
		type artifacts struct {
			Name      string
			Manifests []struct {
				rig.Descriptor
				Subject digest.Digest
			}
		}
		got := read[artifacts](t, ext(t, s, "app", "catalog/artifacts", url.Values{"sort": {"artifactType"}}))
		if len(got.Manifests) != 2 || got.Name != "app" {
			t.Fatalf("got %+v", got)
		}
		first, second := got.Manifests[0], got.Manifests[1]
		if first.Digest != sbom.Digest() || first.Subject != image.Digest() || first.Size != int64(len(sbom.Bytes())) ||
			first.ArtifactType != "application/spdx+json" || first.MediaType != rig.ImageManifest || first.Annotations["name"] != "sbom" {
			t.Errorf("got %+v", first)
		}
		if second.Digest != image.Digest() || second.Subject != "" || second.ArtifactType != rig.ImageConfig {
			t.Errorf("got %+v", second)
		}
		page := ext(t, s, "app", "catalog/artifacts", url.Values{"n": {"1"}, "sort": {"-created"}})
		if got := read[artifacts](t, page).Manifests; len(got) != 1 || got[0].Digest != sbom.Digest() {
			t.Errorf("the latest is %+v", got)
		}
		page, more := next(t, s, page)
		if got := read[artifacts](t, page).Manifests; !more || len(got) != 1 || got[0].Digest != image.Digest() {
			t.Errorf("the one before is %+v", got)
		}
		if got := read[artifacts](t, ext(t, s, "unknown", "catalog/artifacts", nil)).Manifests; len(got) != 0 {
			t.Errorf("of an unknown repository: %+v", got)
		}
	})
}

// M2: see images by tag first, and references only as a detail.
func TestM2TagsFirst(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("m2")
		rig.Push(t, s.registry.URL, "app", "v1", image).Want(t, http.StatusCreated)
		signature := rig.Artifact("application/vnd.example.signature", "signature", image.Descriptor())
		rig.Push(t, s.registry.URL, "app", "", signature).Want(t, http.StatusCreated)
		rig.Push(t, s.registry.URL, "app", "sha256-"+image.Digest().Encoded(), rig.Index(signature.Descriptor())).Want(t, http.StatusCreated)
		if got := taggedNames(t, s, nil); got != "v1" {
			t.Errorf("tags %s", got)
		}
		tree := read[node](t, ext(t, s, "app", "graph/tree", url.Values{"subject": {"v1"}}))
		if got := draw(tree); got != "m2(signature)" {
			t.Errorf("tree %s", got)
		}
	})
}

// tagged is an entry of the catalog of tags.
type tagged struct {
	Tag string
	rig.Descriptor
	Created, Version string
}

// taggedNames follows the pages of the catalog of tags.
func taggedNames(t *testing.T, s stage, params url.Values) string {
	t.Helper()
	var names []string
	reply, more := ext(t, s, "app", "catalog/tags", params), true
	for more {
		for _, entry := range read[struct{ Tags []tagged }](t, reply).Tags {
			names = append(names, entry.Tag)
		}
		reply, more = next(t, s, reply)
	}
	return strings.Join(names, " ")
}

// M5: follow product versions, find the newest, bisect between two builds.
func TestM5Versions(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		release := func(tag, version, created string) rig.Manifest {
			image := rig.Image(tag)
			if version != "" {
				image.Annotations["org.opencontainers.image.version"] = version
			}
			if created != "" {
				image.Annotations["org.opencontainers.image.created"] = created
			}
			// Some are known to the index, and some are not.
			base := s.backref.URL
			if len(tag)%2 == 0 {
				base = s.registry.URL
			}
			rig.Push(t, base, "app", tag, image).Want(t, http.StatusCreated)
			return image
		}
		release("v1.9.0", "", "2026-01-01T00:00:00Z")
		newest := release("build-7", "1.10.1", "2026-03-01T00:00:00Z")
		release("v1.10.0", "", "2026-02-01T00:00:00Z")
		release("v1.10.0-rc.1", "", "2026-01-15T00:00:00Z")
		release("latest", "", "2025-01-01T00:00:00Z")
		for _, n := range []string{"", "1", "2"} {
			for _, c := range []struct{ sort, from, to, filter, want string }{
				{"", "", "", "", "build-7 latest v1.10.0 v1.10.0-rc.1 v1.9.0"},
				{"-name", "", "v1.10.0", "", "v1.10.0 latest build-7"},
				{"version", "", "", "", "v1.9.0 v1.10.0-rc.1 v1.10.0 build-7 latest"},
				{"-version", "", "", "", "build-7 v1.10.0 v1.10.0-rc.1 v1.9.0 latest"},
				{"version", "v1.9.0", "v1.10.0", "", "v1.9.0 v1.10.0-rc.1 v1.10.0"},
				{"version", "1.10.0-rc.0", "", "", "v1.10.0-rc.1 v1.10.0 build-7"},
				{"created", "", "", "", "latest v1.9.0 v1.10.0-rc.1 v1.10.0 build-7"},
				{"-created", "v1.9.0", "2026-02-15T00:00:00Z", "", "v1.10.0 v1.10.0-rc.1 v1.9.0"},
				{"created", "", "", "org.opencontainers.image.created>=2026-02-01T00:00:00Z", "v1.10.0 build-7"},
				{"name", "", "", "org.opencontainers.image.version", "build-7"},
			} {
				params := url.Values{}
				for name, value := range map[string]string{"sort": c.sort, "from": c.from, "to": c.to, "annotation": c.filter, "n": n} {
					if value != "" {
						params.Set(name, value)
					}
				}
				if got := taggedNames(t, s, params); got != c.want {
					t.Errorf("%v: got %s, want %s", params, got, c.want)
				}
			}
		}
		got := read[struct{ Tags []tagged }](t, ext(t, s, "app", "catalog/tags", url.Values{"sort": {"-version"}, "n": {"1"}})).Tags
		if len(got) != 1 || got[0].Digest != newest.Digest() || got[0].Version != "1.10.1" || got[0].Created != "2026-03-01T00:00:00Z" {
			t.Errorf("newest: %+v", got)
		}
		bad := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/_backref/catalog/tags?sort=version&from=latest", nil).Want(t, http.StatusBadRequest)
		if !strings.Contains(string(bad.Body), "from: the tag has no version") {
			t.Errorf("%s", bad.Body)
		}
		unknown := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/unknown/_backref/catalog/tags", nil).Want(t, http.StatusNotFound)
		if !strings.Contains(string(unknown.Body), "NAME_UNKNOWN") {
			t.Errorf("%s", unknown.Body)
		}
	})
}

// F2: pages of both endpoints miss and repeat nothing that stays, in any order,
// while others push and delete.
func TestF2PagesWhileOthersPushAndDelete(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("paged in order")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		stay := make(map[digest.Digest]bool)
		for i := range 12 {
			stay[attach(t, s, fmt.Sprintf("application/vnd.example.%d", i%3), fmt.Sprint("stay ", i), image,
				"org.opencontainers.image.created", fmt.Sprintf("2026-01-%02dT00:00:00Z", 1+i%5),
				"org.opencontainers.image.version", fmt.Sprintf("1.%d.0", i%4)).Digest()] = true
		}
		done := make(chan struct{})
		var writers sync.WaitGroup
		for writer := range 3 {
			writers.Go(func() { pushAndDelete(t, s, image, writer, done) })
		}
		for _, sort := range []string{"digest", "-digest", "created", "-created", "artifactType", "-artifactType", "version", "-version"} {
			for _, at := range []string{
				"/v2/app/referrers/" + image.Digest().String() + "?n=2&sort=" + sort,
				"/v2/app/_backref/graph/referrers?subject=v1&n=3&sort=" + sort,
				"/v2/app/_backref/catalog/artifacts?annotation=org.opencontainers.image.version&n=3&sort=" + sort,
			} {
				times := make(map[digest.Digest]int)
				reply, more := rig.Do(t, http.MethodGet, s.backref.URL+at, nil).Want(t, http.StatusOK), true
				for more {
					for _, entry := range read[struct{ Manifests []rig.Descriptor }](t, reply).Manifests {
						times[entry.Digest]++
					}
					reply, more = next(t, s, reply)
				}
				for d := range stay {
					if times[d] != 1 {
						t.Errorf("%s shows %s %d times", at, d, times[d])
					}
				}
			}
		}
		close(done)
		writers.Wait()
	})
}

// pushAndDelete pushes referrers and deletes them again, until it is done.
func pushAndDelete(t *testing.T, s stage, subject rig.Manifest, writer int, done <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		m := rig.Artifact(fmt.Sprintf("application/vnd.example.%d", i%3), fmt.Sprintf("%d passing %d", writer, i), subject.Descriptor())
		m.Annotations["org.opencontainers.image.version"] = fmt.Sprintf("1.%d.0", i%4)
		at := s.backref.URL + "/v2/app/manifests/" + m.Digest().String()
		for _, step := range []struct{ method, body string }{{http.MethodPut, string(m.Bytes())}, {http.MethodDelete, ""}} {
			if _, err := rig.Send(t, step.method, at, []byte(step.body), "Content-Type", m.MediaType); err != nil {
				t.Error(err)
				return
			}
		}
	}
}
