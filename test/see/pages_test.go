package see

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/browser"
	"github.com/backref/backref/test/rig"
)

// Each page is readable, by mouse and keyboard, wide and narrow, light and dark, with
// scripts and without.
func TestPagesOfARepository(t *testing.T) {
	s := newShelf(t, "team/app", "--set", "notices.keep=24h")
	found := s.fill()
	s.signByCosign(t)
	base := digest.FromString("the base of all").String()
	at := func(name string) string { return "/-/artifact/" + found[name].Digest.String() }
	viewers := newViewers(t)
	for _, page := range []struct {
		name, path string
		says       []string
	}{
		{"tags", "", []string{"latest", "1.10.0", "linux/amd64", "linux/arm64", "image index"}},
		{"artifacts", "/-/artifacts", []string{"SPDX SBOM", "notation signature", "image index"}},
		{"artifacts-of-a-type", "/-/artifacts?type=application/spdx%2Bjson", []string{"SPDX SBOM"}},
		{"index", "/-/image/latest", []string{"Signatures", "SBOMs", "Attestations", "Reports", "legacy tag", "claimed:", "Not verified", "no signer is configured", "linux/arm64", "attestation"}},
		{"described-index", "/-/image/1.10.0", []string{"https://git.example.org/team/app", "Apache-2.0", "Nothing is attached."}},
		{"image", "/-/image/latest?platform=linux/amd64", []string{"/app", "65532:65532", "ADD rootfs.tar.gz", "8080/tcp", "index that lists it", "SPDX SBOM"}},
		{"spdx", at("spdx23.json"), []string{"packages", "Licence"}},
		{"cyclonedx", at("cyclonedx16.json"), []string{"packages"}},
		{"sarif", at("sarif-trivy.json"), []string{"findings", "Severity"}},
		{"trivy", at("trivy.json"), []string{"findings"}},
		{"openvex", at("openvex.json"), []string{"findings"}},
		{"grype", at("grype.json"), []string{"findings"}},
		{"provenance", at("slsa1.json"), []string{"Builder", "Materials"}},
		{"envelope", at("dsse-vuln-sarif.json"), []string{"Payload"}},
		{"bundle", at("bundle"), []string{"Claimed signer", "claimed:", "Not verified"}},
		{"notation", at("notation"), []string{"notation signature"}},
		{"layer", "/-/blob/" + base, []string{"has it as a layer", "latest", "index sha256:"}},
		{"coverage", "/-/coverage?require=signature+sbom+attestation:https://slsa.dev/*@each&all=1", []string{"images lack nothing", "1.10.0", "linux/arm64", "missing", "covered"}},
		{"compare-what", "/-/diff", []string{"Give two tags or digests"}},
		{"compared", "/-/diff?from=1.10.0&to=latest", []string{"Attached", "new", "SPDX SBOM", "linux/amd64"}},
		{"news", "/-/news", []string{"As a feed", "SPDX SBOM", "SARIF"}},
		{"missing", "/-/image/no-such-tag", []string{"Not found"}},
	} {
		t.Run(page.name, func(t *testing.T) {
			for _, as := range viewers {
				as.page.Open(s.address(page.path))
				mustBeGood(t, as, page.says)
				as.page.Screenshot(page.name + "-" + as.name)
			}
		})
	}
}

// viewedAs is how somebody looks at pages, one after the other: to begin anew for each
// would take longer than all the rest.
type viewedAs struct {
	name    string
	options browser.Options
	page    *browser.Page
}

// newViewers starts a browser with a page for each way to look.
func newViewers(t *testing.T) []viewedAs {
	b := browser.New(t)
	all := []viewedAs{
		{name: "wide", options: browser.Options{Scripts: true}}, {name: "wide-dark", options: browser.Options{Dark: true}},
		{name: "narrow", options: browser.Options{Width: 360, Height: 740}},
		{name: "narrow-dark", options: browser.Options{Width: 360, Height: 740, Dark: true, Scripts: true}},
	}
	for i := range all {
		all[i].page = b.Page(t, all[i].options)
	}
	return all
}

// mustBeGood fails the test where a page doesn't say what it is to say, or is not well
// made. What is seen and reached differs by width and by scripts, its colours by what is
// preferred: what takes long is tried once for each.
func mustBeGood(t *testing.T, as viewedAs, says []string) {
	t.Helper()
	text := as.page.Text()
	for _, says := range says {
		if !strings.Contains(text, says) {
			t.Errorf("%s: %q is not on the page:\n%s", as.name, says, text)
		}
	}
	if title := as.page.Title(); title == "backref" || !strings.HasSuffix(title, " · backref") {
		t.Errorf("title %q", title)
	}
	as.page.MustFit()
	if as.options.Scripts {
		as.page.MustBeAccessible()
	}
	if as.name == "narrow" {
		as.page.MustShowFocus(10)
	}
	as.page.MustBeQuiet()
}

// signByCosign signs the index as cosign 2 does, with a key: its signature is a
// referrer by its tag alone.
func (s *shelf) signByCosign(t *testing.T) {
	s.t.Helper()
	dir := t.TempDir()
	t.Setenv("COSIGN_PASSWORD", "")
	rig.Run(s.t, dir, "cosign2", "generate-key-pair")
	rig.Run(s.t, dir, "cosign2", "sign", "--yes", "--allow-http-registry", "--tlog-upload=false", "--key", "cosign.key",
		s.backref.Host+"/"+s.name+"@"+s.index.Digest.String())
}

// What is looked for on a page is found without scripts, at an address that can be
// sent on.
func TestSearchOnThePages(t *testing.T) {
	s := newShelf(t, "app")
	found := s.fill()
	b := browser.New(t)
	p := b.Page(t, browser.Options{Width: 360})
	p.Open(s.address(""))
	p.Fill("Tag has in it", "1.1")
	p.Click("Show")
	p.Wait("name=1.10.0")
	if text := p.Text(); strings.Contains(text, "1.2.0") || !strings.Contains(p.URL(), "q=1.1") {
		t.Errorf("%s: %s", p.URL(), text)
	}
	p.Click("1.10.0")
	p.Click("linux/arm64")
	p.Wait("css=#config")
	p.Open(s.address("/-/artifact/" + found["trivy.json"].Digest.String()))
	p.Click("critical 1")
	if !strings.Contains(p.URL(), "severity=") {
		t.Errorf("by severity: %s", p.URL())
	}
	p.Open(s.address("/-/image/latest"))
	p.Fill("Artifact type", "application/spdx+json")
	p.Click("Show")
	if text := p.Text(); strings.Contains(text, "SARIF report") || !strings.Contains(text, "SPDX SBOM") {
		t.Errorf("by type: %s", text)
	}
}

// A page says as JSON what it says as HTML, and a file comes as one to be kept.
func TestPagesAsJSONAndFiles(t *testing.T) {
	s := newShelf(t, "app")
	found := s.fill()
	var tags struct {
		Tags []struct {
			Tag       string
			Digest    digest.Digest
			Platforms []string
		}
	}
	s.json("?format=json&sort=-version", &tags)
	if len(tags.Tags) != 3 || tags.Tags[0].Tag != "1.10.0" || len(tags.Tags[0].Platforms) != 2 {
		t.Errorf("tags: %+v", tags)
	}
	var image struct {
		Kind      string
		Referrers struct{ Count int }
		Tags      struct{ Tags []string }
	}
	s.json("/-/image/latest?format=json", &image)
	if image.Kind != "image index" || image.Referrers.Count != 10 || fmt.Sprint(image.Tags.Tags) != "[latest]" {
		t.Errorf("image: %+v", image)
	}
	var inside struct {
		Shown struct {
			SBOM struct {
				Packages []struct{ Name string }
				Total    int
			}
		}
	}
	path := found["spdx23.json"].Digest.String()
	s.json("/-/artifact/"+path+"?format=json", &inside)
	if inside.Shown.SBOM.Total == 0 || len(inside.Shown.SBOM.Packages) == 0 {
		t.Errorf("inside: %+v", inside)
	}
	file := s.get(t, "/-/download/"+path, http.StatusOK)
	if string(file.Body) != s.document("spdx23.json") || file.Header.Get("Content-Type") != "application/octet-stream" ||
		!strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment; ") || file.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(file.Header.Get("Content-Security-Policy"), "sandbox;") {
		t.Errorf("file: %v", file.Header)
	}
	for path, status := range map[string]int{
		"/-/image/none?format=json": http.StatusNotFound, "/-/nothing": http.StatusNotFound, "/-/image/": http.StatusNotFound,
		"?sort=size": http.StatusBadRequest, "/-/image/latest?platform=plan9/mips": http.StatusBadRequest,
		"/-/artifact/" + path + "?file=7": http.StatusBadRequest, "/-/artifact/" + path + "?page=0": http.StatusBadRequest,
	} {
		s.get(t, path, status)
	}
}

func (s *shelf) json(path string, into any) {
	s.t.Helper()
	reply := s.get(s.t, path, http.StatusOK)
	if err := json.Unmarshal(reply.Body, into); err != nil {
		s.t.Fatalf("%s: %v: %s", path, err, reply.Body)
	}
}
