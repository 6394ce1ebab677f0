package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// says is what no page may take for anything but text.
const says = `<script>alert(1)</script>"><img src=x onerror=alert(1)> javascript:alert(1)` + "\u202e\x1b[31m"

// harmless fails the test where a page has in it what may run or mislead.
func harmless(t *testing.T, path, page string) {
	t.Helper()
	for _, never := range []string{"<script>", "<img", "\u202e", "\x1b", `href="javascript:`, " style=", " onclick="} {
		if strings.Contains(page, never) {
			t.Errorf("%s has %q in it", path, never)
		}
	}
}

// Every page shows what the registry says as text, and the same as JSON.
func TestPagesShowWhatTheRegistryHas(t *testing.T) {
	door, image := newFakeImage(says)
	sbom := newAttached(door, image, "application/spdx+json",
		`{"spdxVersion":"SPDX-2.3","packages":[{"name":`+asJSON(says)+`,"versionInfo":"1.2","licenseConcluded":`+asJSON(says)+`}]}`, says)
	report := newAttached(door, image, "application/sarif+json",
		`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":`+asJSON(says)+`}},"results":[{"ruleId":`+asJSON(says)+`,"message":{"text":"m"}}]}]}`, says)
	odd := newAttached(door, image, "text/html", "<script>alert(1)</script>", says)
	door.list("catalog/artifacts", map[string]any{"manifests": []any{map[string]any{"digest": sbom.Digest, "artifactType": says, "mediaType": says, "subject": image.Digest}}}, "")
	door.list("graph/referrers?legacy=true&n=20&sort=-created&subject="+strings.ReplaceAll(image.Digest.String(), ":", "%3A"), map[string]any{"manifests": []ocispec.Descriptor{sbom, report, odd}}, "")
	u := newPages(t, door, nil)
	layer := digest.FromString("layer").String()
	for _, page := range []struct{ path, says string }{
		{"/ui/r/app", "v1"}, {"/ui/r/app/-/artifacts", "app/-/image/" + sbom.Digest.String()}, {"/ui/r/app/-/image/v1", "docker pull registry.example:5000/app@" + image.Digest.String()},
		{"/ui/r/app/-/image/" + image.Digest.String(), "SARIF report"}, {"/ui/r/app/-/image/" + sbom.Digest.String(), "Attached to"},
		{"/ui/r/app/-/artifact/" + sbom.Digest.String(), "1 packages"}, {"/ui/r/app/-/artifact/" + report.Digest.String(), "1 of 1 findings"},
		{"/ui/r/app/-/artifact/" + odd.Digest.String(), "&lt;script&gt;alert(1)"}, {"/ui/r/app/-/blob/" + layer, "has it as a layer"},
	} {
		html := look(t, u, page.path, http.StatusOK)
		if !strings.Contains(html, page.says) {
			t.Errorf("%s doesn't say %q: %s", page.path, page.says, html)
		}
		harmless(t, page.path, html)
		if said := look(t, u, page.path+"?format=json", http.StatusOK); !json.Valid([]byte(said)) {
			t.Errorf("%s: no JSON: %s", page.path, said)
		}
	}
	shown := look(t, u, "/ui/r/app/-/image/v1", http.StatusOK)
	if !strings.Contains(shown, `<a href="https://example.org/source" rel="noopener noreferrer nofollow">`) {
		t.Error("an address of the web is no link")
	}
}

// Where there are more tags than are looked up they are listed by name, in pages.
func TestTagsByNameAlone(t *testing.T) {
	var names []string
	for i := range 120 {
		names = append(names, fmt.Sprintf("t%03d", i))
	}
	door := fakeDoor{
		"/v2/app/_backref/catalog/tags":     {status: http.StatusNotImplemented, body: `{"errors":[{"code":"UNSUPPORTED"}]}`},
		"/v2/app/tags/list?n=50":            {mediaType: "application/json", body: asJSON(map[string]any{"tags": names[:50]}), link: "/v2/app/tags/list?n=50&last=t049"},
		"/v2/app/tags/list?last=t049&n=50":  {mediaType: "application/json", body: asJSON(map[string]any{"tags": names[50:100]}), link: "/v2/app/tags/list?n=50&last=t099"},
		"/v2/app/tags/list?n=500":           {mediaType: "application/json", body: asJSON(map[string]any{"tags": names})},
		"/v2/app/tags/list?last=t049&n=500": {mediaType: "application/json", body: asJSON(map[string]any{"tags": names[50:]})},
	}
	u := newPages(t, door, nil)
	first := look(t, u, "/ui/r/app", http.StatusOK)
	if !strings.Contains(first, "limits.catalogTags") || !strings.Contains(first, ">t049<") || !strings.Contains(first, `href="?after=t049"`) {
		t.Errorf("%s", first)
	}
	if second := look(t, u, "/ui/r/app?after=t049", http.StatusOK); !strings.Contains(second, ">t050<") {
		t.Errorf("%s", second)
	}
	found := look(t, u, "/ui/r/app?q=t", http.StatusOK)
	if !strings.Contains(found, ">t049<") || strings.Contains(found, ">t050<") || !strings.Contains(found, `href="?after=t049&amp;q=t"`) {
		t.Errorf("%s", found)
	}
	if only := look(t, u, "/ui/r/app?q=t11", http.StatusOK); !strings.Contains(only, ">t119<") || strings.Contains(only, ">t100<") {
		t.Errorf("%s", only)
	}
}

// What is verified is told from what is only claimed, in words.
func TestJudgementsOnPages(t *testing.T) {
	door, image := newFakeImage("text")
	signature := newAttached(door, image, "application/vnd.cncf.notary.signature", "{}", "")
	of := "subject=" + strings.ReplaceAll(image.Digest.String(), ":", "%3A")
	door.list("graph/referrers?legacy=true&n=20&sort=-created&"+of, map[string]any{"manifests": []ocispec.Descriptor{signature}}, "/v2/app/_backref/graph/referrers?n=20&last=behind")
	for name, c := range map[string]struct {
		judge Judge
		want  []string
	}{
		"none": {nil, []string{"Not verified", "no signers are configured"}},
		"verified": {func(_ context.Context, repository string, subject digest.Digest, _ oci.Descriptor, _ *client.Repository) (Judgement, error) {
			if repository != "app" || subject != image.Digest {
				t.Errorf("asked about %s of %s", subject, repository)
			}
			return Judgement{Signature: true, Verified: true, By: []string{"release " + says}, Claims: []string{says}}, nil
		}, []string{"Verified: release", "claimed:"}},
		"stranger": {func(context.Context, string, digest.Digest, oci.Descriptor, *client.Repository) (Judgement, error) {
			return Judgement{Signature: true, Reason: "by a stranger"}, nil
		}, []string{"Not verified", "by a stranger"}},
		"error": {func(context.Context, string, digest.Digest, oci.Descriptor, *client.Repository) (Judgement, error) {
			return Judgement{}, context.DeadlineExceeded
		}, []string{"Not verified", notJudged}},
	} {
		for _, path := range []string{"/ui/r/app/-/image/v1", "/ui/r/app/-/artifact/" + signature.Digest.String()} {
			page := look(t, newPages(t, door, c.judge), path, http.StatusOK)
			for _, want := range c.want {
				if !strings.Contains(page, want) {
					t.Errorf("%s: %s doesn't say %q: %s", name, path, want, page)
				}
			}
			harmless(t, path, page)
		}
	}
	if page := look(t, newPages(t, door, nil), "/ui/r/app/-/image/v1", http.StatusOK); !strings.Contains(page, `href="?after=behind#referrers"`) {
		t.Errorf("no way to the next page: %s", page)
	}
}

// What can't be shown is said plainly, with the status that the registry gave.
func TestFailuresOfPages(t *testing.T) {
	door, image := newFakeImage("text")
	door["/v2/secret/manifests/v1"] = fakeAnswer{status: http.StatusForbidden}
	door["/v2/signed-out/manifests/v1"] = fakeAnswer{status: http.StatusUnauthorized}
	door["/v2/broken/manifests/v1"] = fakeAnswer{mediaType: oci.MediaTypeImageManifest, body: "{"}
	door["/v2/app/blobs/"+digest.FromString("changed").String()] = fakeAnswer{body: "changes"}
	changed := door.manifest("changed", map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "artifactType": "application/spdx+json", "config": door.blob("application/vnd.oci.empty.v1+json", "{}"),
		"layers": []any{map[string]any{"mediaType": "text/plain", "digest": digest.FromString("changed"), "size": 7}, map[string]any{"mediaType": "text/plain", "digest": digest.FromString("large"), "size": MaxDocument + 1}},
	})
	u := newPages(t, door, nil)
	for _, c := range []struct {
		path   string
		status int
		says   string
	}{
		{"/ui/r/secret/-/image/v1", http.StatusForbidden, "may not see"}, {"/ui/r/broken/-/image/v1", http.StatusBadGateway, "did not give a usable answer"},
		{"/ui/r/app/-/image/none", http.StatusNotFound, "no such thing"}, {"/ui/r/app/-/image/a/b", http.StatusNotFound, "no such page"},
		{"/ui/r/APP", http.StatusNotFound, "no such page"}, {"/ui/r/app/-/artifact/v1", http.StatusNotFound, "no such page"},
		{"/ui/r/app/-/image/v1?sort=size", http.StatusBadRequest, "sort"},
		{"/ui/r/app/-/artifact/" + changed.Digest.String(), http.StatusOK, "it was changed, and is not shown"},
		{"/ui/r/app/-/artifact/" + changed.Digest.String() + "?file=2", http.StatusOK, "no more than 8.0 MiB are shown here"},
		{"/ui/r/app/-/download/" + changed.Digest.String() + "?file=2", http.StatusBadRequest, "too large"},
		{"/ui/r/app/-/download/" + changed.Digest.String(), http.StatusBadGateway, "usable answer"},
		{"/ui/r/app/-/download/" + image.Digest.String() + "?file=9", http.StatusBadRequest, "no file of that number"},
	} {
		if page := look(t, u, c.path, c.status); !strings.Contains(page, c.says) {
			t.Errorf("%s doesn't say %q: %s", c.path, c.says, page)
		}
	}
}

// A file is never sent as what a browser would show.
func TestDownloads(t *testing.T) {
	door, image := newFakeImage("text")
	page := newAttached(door, image, "text/html", "<script>alert(1)</script>", "")
	w := httptest.NewRecorder()
	newPages(t, door, nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ui/r/app/-/download/"+page.Digest.String(), nil))
	header := w.Header()
	if w.Code != http.StatusOK || w.Body.String() != "<script>alert(1)</script>" || header.Get("Content-Type") != "application/octet-stream" ||
		!strings.HasPrefix(header.Get("Content-Disposition"), `attachment; filename="sha256-`) || header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(header.Get("Content-Security-Policy"), "sandbox;") {
		t.Errorf("%d %v %s", w.Code, header, w.Body)
	}
}

// Only addresses of the web become links, and none that misleads.
func TestWebAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"https://example.org/a?b#c": true, "http://example.org": true, "javascript:alert(1)": false, "JAVASCRIPT:alert(1)": false,
		"data:text/html,x": false, "//example.org": false, "https:example.org": false, "https://user@example.org": false,
		"https://exa\u202emple.org": false, "\u0020https://example.org": false, "https://example.org\\@evil.org": false, "": false,
	} {
		if got := webAddress(address) != ""; got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}

// A text of many lines keeps them, and shows what would hide something.
func TestPrintableLines(t *testing.T) {
	if got := printableLines("a\n\tb\u202e\x1b[0m\r\nc"); got != "a\n\tb\\u202e\\x1b[0m\nc" {
		t.Errorf("%q", got)
	}
}
