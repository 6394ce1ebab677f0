package requirements

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// front is one host with registries behind it, by the repository's first name,
// that changes their answers.
func front(t *testing.T, behind map[string]string, change func(*http.Response, []byte) []byte) string {
	t.Helper()
	proxies := map[string]*httputil.ReverseProxy{}
	for name, base := range behind {
		target, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		proxies[name] = &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host
			},
			ModifyResponse: func(resp *http.Response) error {
				if resp.Request.Method == http.MethodHead || change == nil {
					return nil
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					return err
				}
				body = change(resp, body)
				resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
				return nil
			},
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
		proxy, found := proxies[name]
		if !found {
			proxy = proxies[""]
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// bare leaves out of entries what some registries leave out (quay/quay#3047).
func bare(resp *http.Response, body []byte) []byte {
	if !strings.Contains(resp.Request.URL.Path, "/referrers/") || resp.StatusCode != http.StatusOK {
		return body
	}
	var document map[string]any
	if err := json.Unmarshal(body, &document); err != nil {
		return body
	}
	entries, _ := document["manifests"].([]any)
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		delete(fields, "artifactType")
		delete(fields, "annotations")
	}
	resp.Header.Del("OCI-Filters-Applied")
	changed, err := json.Marshal(document)
	if err != nil {
		return body
	}
	return changed
}

// text serves every manifest as if it were text.
func text(resp *http.Response, body []byte) []byte {
	if strings.Contains(resp.Request.URL.Path, "/manifests/") && resp.StatusCode == http.StatusOK {
		resp.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	return body
}

// Of several registries behind one host, some have a referrers API and some
// have not. Neither is taken for the other.
func TestSeveralRegistriesBehindOneHost(t *testing.T) {
	olareg, distribution := rig.NewOlareg(t), rig.NewRegistry(t, rig.Distribution2)
	base := front(t, map[string]string{"": olareg.URL, "proxied": distribution.URL}, nil)
	backref := rig.NewBackref(t, base)
	subjects, signatures := map[string]rig.Manifest{}, map[string]rig.Manifest{}
	for repository, through := range map[string]string{"own/app": base, "proxied/app": backref.URL} {
		rig.PushBlob(t, base, repository, rig.Empty)
		subjects[repository] = rig.Image(repository)
		rig.Push(t, base, repository, "v1", subjects[repository]).Want(t, http.StatusCreated)
		rig.Push(t, base, repository, "bare", rig.Image("bare")).Want(t, http.StatusCreated)
		signatures[repository] = rig.Artifact("application/vnd.sig", "x", subjects[repository].Descriptor())
		rig.Push(t, through, repository, "", signatures[repository]).Want(t, http.StatusCreated)
	}
	for range 2 {
		for _, repository := range []string{"proxied/app", "own/app"} {
			wantListed(t, backref.URL, repository, rig.Image("bare").Digest())
			wantListed(t, backref.URL, repository, subjects[repository].Digest(), signatures[repository])
		}
	}
}

// What an entry of a registry's own API lacks is read from its manifest.
func TestBareNativeEntries(t *testing.T) {
	olareg := rig.NewOlareg(t)
	base := front(t, map[string]string{"": olareg.URL}, bare)
	backref := rig.NewBackref(t, base)
	rig.PushBlob(t, base, "app", rig.Empty)
	image := rig.Image("app")
	rig.Push(t, base, "app", "v1", image).Want(t, http.StatusCreated)
	sig, sbom := rig.Artifact("application/vnd.sig", "sig", image.Descriptor()), rig.Artifact("application/vnd.sbom", "sbom", image.Descriptor())
	for _, m := range []rig.Manifest{sig, sbom} {
		rig.Push(t, base, "app", "", m).Want(t, http.StatusCreated)
	}
	got := rig.Listing(t, backref.URL, "app", image.Digest(), "artifactType=application/vnd.sig")
	if len(got) != 1 || got[0].Digest != sig.Digest() || got[0].Annotations["name"] != "sig" {
		t.Errorf("by type: %+v", got)
	}
	if got := rig.Listing(t, backref.URL, "app", image.Digest()); len(got) != 2 || got[0].ArtifactType == "" || len(got[1].Annotations) == 0 {
		t.Errorf("all: %+v", got)
	}
	// The command line does so by itself.
	found := rig.RunCommandLine(t, t.TempDir(), "referrers", "--type", "application/vnd.sig", "-o", "digest", strings.TrimPrefix(base, "http://")+"/app:v1")
	if strings.TrimSpace(found) != sig.Digest().String() {
		t.Errorf("the command line finds %s", found)
	}
}

// Manifests that are served as text are known by what they say themselves.
func TestManifestsServedAsText(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		base := front(t, map[string]string{"": registry.URL}, text)
		backref := rig.NewBackref(t, base)
		rig.PushBlob(t, base, "app", rig.Empty)
		image := rig.Image("app")
		rig.Push(t, base, "app", "v1", image).Want(t, http.StatusCreated)
		sig := rig.Artifact("application/vnd.sig", "sig", image.Descriptor())
		rig.Push(t, base, "app", "", sig).Want(t, http.StatusCreated)
		rig.Push(t, base, "app", strings.Replace(image.Digest().String(), ":", "-", 1), rig.Index(sig.Descriptor())).Want(t, http.StatusCreated)
		wantListed(t, backref.URL, "app", image.Digest(), sig)
		backref.Run(t, "index", "rebuild")
		wantListed(t, backref.URL, "app", image.Digest(), sig)
	})
}
