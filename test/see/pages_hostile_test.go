package see

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/browser"
	"github.com/backref/backref/test/rig"
)

// hostile are texts that a page must show, and nothing else.
func hostile() []string {
	return []string{
		`<script>document.title="taken"</script>`, `"><img src=x onerror=alert(1)>`, `'><svg onload=alert(1)>`, `javascript:alert(1)`,
		`</pre></details><h1>taken</h1>`, "{{.Content}}", "<!--", "\u202egnp.exe\u202c", "a\u200bb", "\x1b[31mred", "\x00nul",
	}
}

// Whatever somebody attaches is text on the pages: nothing of it runs, loads, leads
// elsewhere or changes what else is on the page.
func TestHostileContentIsTextOnPages(t *testing.T) {
	s := newShelf(t, "hostile")
	all := strings.Join(hostile(), " ")
	paths := append(hostileArtifacts(s, all), hostileImage(s, all), "", "/-/artifacts", "/-/image/latest", "/-/image/latest?sort=created",
		"?q="+`%22%3E%3Cscript%3Ealert(1)%3C/script%3E`, "/-/artifacts?type="+`%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E`)
	b := browser.New(t)
	// To begin anew for each address would take longer than all the rest.
	wide, narrow := b.Page(t, browser.Options{Width: 1280, Scripts: true}), b.Page(t, browser.Options{Width: 360, Scripts: true})
	for _, path := range paths {
		for _, p := range []*browser.Page{wide, narrow} {
			p.Open(s.address(path))
			p.MustBeQuiet()
			p.MustFit()
			if !strings.HasSuffix(p.Title(), " · backref") || strings.Contains(p.Title(), "taken") {
				t.Errorf("%s: the title is %q", path, p.Title())
			}
			html := p.HTML()
			for _, never := range []string{"<img", "<svg", "<script>", "onerror=alert(1)>\n<", `href="javascript:`, "\u202e", "\u200b", "<h1>taken"} {
				if strings.Contains(html, never) {
					t.Errorf("%s: %q is in the page", path, never)
				}
			}
		}
	}
}

// hostileArtifacts attaches documents with hostile texts in all that pages show, and
// returns the paths of their pages.
func hostileArtifacts(s *shelf, all string) []string {
	quoted := func(text string) string {
		encoded, err := json.Marshal(text)
		if err != nil {
			s.t.Fatal(err)
		}
		return string(encoded)
	}
	bad := quoted(all)
	deep := strings.Repeat(`{"a":[`, 400) + strings.Repeat("]}", 400)
	var zipped bytes.Buffer
	pack := gzip.NewWriter(&zipped)
	_, _ = pack.Write(bytes.Repeat([]byte("0"), 1<<20))
	_ = pack.Close()
	svg := `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>`
	var paths []string
	for _, a := range []struct{ artifactType, content string }{
		{"application/spdx+json", `{"spdxVersion":"SPDX-2.3","name":` + bad + `,"creationInfo":{"creators":["Tool: x"]},"packages":[{"name":` + bad + `,"versionInfo":` + bad + `,"licenseConcluded":` + bad + `,"externalRefs":[{"referenceType":"purl","referenceLocator":` + bad + `}]}]}`},
		{"application/vnd.cyclonedx+json", `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":` + bad + `,"name":` + bad + `,"version":` + bad + `,"licenses":[{"license":{"name":` + bad + `}}]}]}`},
		{"application/sarif+json", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":` + bad + `}},"results":[{"ruleId":` + bad + `,"message":{"text":` + bad + `},"locations":[{"physicalLocation":{"artifactLocation":{"uri":` + bad + `}}}]}]}]}`},
		{"application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v1","predicateType":` + bad + `,"subject":[{"name":` + bad + `,"digest":{` + bad + `:` + bad + `}}],"predicate":{"builder":{"id":"javascript:alert(1)"},"materials":[{"uri":` + bad + `}]}}`},
		{"application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","subject":[{"name":` + bad + `}],"predicate":{"runDetails":{"builder":{"id":"javascript:alert(1)"}},"buildDefinition":{"buildType":` + bad + `,"resolvedDependencies":[{"uri":"javascript:alert(2)"},{"uri":"https://user:secret@example.org/"}]}}}`},
		{"text/html", "<!doctype html><title>taken</title><script>alert(1)</script>" + all}, {"image/svg+xml", svg},
		{"application/json", deep}, {"application/json", `{"a":` + bad + `}`}, {"application/json", zipped.String()},
		{"application/json", `{"big":"` + strings.Repeat("<b>", 1<<20) + `"}`},
		{"application/json", `["` + strings.Repeat("x", 9<<20) + `"]`},
		{"application/vnd.aquasec.trivy.report+json", `{"SchemaVersion":2,"ArtifactName":` + bad + `,"Results":[{"Target":"x","Vulnerabilities":[{"VulnerabilityID":` + bad + `,"PkgName":` + bad + `,"InstalledVersion":` + bad + `,"FixedVersion":` + bad + `,"Severity":` + bad + `,"Title":` + bad + `}]}]}`},
		{"application/vnd.dev.sigstore.bundle.v0.3+json", `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":` + bad + `}},"dsseEnvelope":{"payloadType":` + bad + `,"payload":"e30=","signatures":[{"keyid":` + bad + `,"sig":""}]}}`},
	} {
		// JSON can't hold all of these; manifests can.
		d := s.attach(s.index, a.artifactType, a.content, "org.opencontainers.image.source", "javascript:alert(1)",
			"org.opencontainers.image.url", "https://user:pass@example.org/", "org.opencontainers.image.title", all, "note", all)
		paths = append(paths, "/-/artifact/"+d.Digest.String(), "/-/image/"+d.Digest.String())
	}
	return paths
}

// hostileImage pushes an image whose config says hostile things, and returns the path
// of its page.
func hostileImage(s *shelf, all string) string {
	d := s.pushImage("amd64", func(config map[string]any) {
		config["author"] = all
		config["architecture"] = all
		config["config"] = map[string]any{
			"User": all, "Env": []string{all}, "Entrypoint": hostile(), "Cmd": hostile(), "WorkingDir": all,
			"ExposedPorts": map[string]any{all: struct{}{}}, "Volumes": map[string]any{all: struct{}{}}, "Labels": map[string]string{all: all},
		}
		config["history"] = []map[string]any{{"created_by": all}, {"created_by": all}}
	})
	return "/-/image/" + d.Digest.String()
}

// However much somebody says, a page has its bounds.
func TestPagesAreBounded(t *testing.T) {
	s := newShelf(t, "large", "--set", "limits.manifestAnnotations=20000")
	many := rig.Index(s.images["amd64"])
	many.Annotations = map[string]string{}
	for i := range 10_000 {
		many.Annotations[fmt.Sprintf("key-%05d", i)] = strings.Repeat("v", 20)
	}
	noted := s.push("noted", many)
	var packages []string
	for i := range 20_000 {
		packages = append(packages, fmt.Sprintf(`{"name":"package-%05d","versionInfo":"1"}`, i))
	}
	sbom := s.attach(s.index, "application/spdx+json", `{"spdxVersion":"SPDX-2.3","packages":[`+strings.Join(packages, ",")+`]}`)
	const most = 1 << 20
	for _, path := range []string{
		"/-/image/" + noted.Digest.String(), "/-/artifact/" + noted.Digest.String(), "/-/image/latest",
		"/-/artifact/" + sbom.Digest.String(), "/-/artifact/" + sbom.Digest.String() + "?q=PACKAGE&page=3",
	} {
		for _, format := range []string{"", "json"} {
			address := path
			if format != "" {
				address += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "format=json"
			}
			reply := s.get(t, address, http.StatusOK)
			if len(reply.Body) > most {
				t.Errorf("%s has %d bytes", address, len(reply.Body))
			}
		}
	}
	page := string(s.get(t, "/-/image/"+noted.Digest.String(), http.StatusOK).Body)
	if !strings.Contains(page, "9800 more are not shown") {
		t.Error("the page doesn't say how many annotations are left out")
	}
	page = string(s.get(t, "/-/artifact/"+sbom.Digest.String()+"?q=PACKAGE-1999", http.StatusOK).Body)
	if !strings.Contains(page, "10 of 20000 packages have") || !strings.Contains(page, "package-19990") {
		t.Error("the search doesn't find what is behind the first page")
	}
}
