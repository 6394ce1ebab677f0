package split_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/split"
)

// said is an answer of a registry.
type said struct {
	status int
	header map[string]string
	body   string
}

// answering is a registry that answers as a test says, by method and path; else by 404.
type answering struct {
	*upstream.Registry
	mu   sync.Mutex
	seen []string
}

// newAnswering starts one, behind shims.
func newAnswering(t *testing.T, answers map[string]said, shims ...upstream.Shim) *answering {
	t.Helper()
	a := &answering{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked := r.Method + " " + r.URL.Path
		a.mu.Lock()
		a.seen = append(a.seen, asked)
		a.mu.Unlock()
		given, found := answers[asked]
		if !found {
			given.status = http.StatusNotFound
		}
		for name, value := range given.header {
			w.Header().Set(name, value)
		}
		if r.URL.Path == "/v2/" {
			given.status = http.StatusOK
		}
		w.WriteHeader(given.status)
		_, _ = io.WriteString(w, given.body)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if a.Registry, err = upstream.New(upstream.Options{URL: base, Service: upstream.Service{Anonymous: true}, Shims: shims}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// saw tells whether the registry was asked something.
func (a *answering) saw(asked string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.seen, asked)
}

// newSplit starts a primary and a second registry.
func newSplit(t *testing.T, primary, second map[string]said) (at, beside *answering) {
	t.Helper()
	beside = newAnswering(t, second)
	everywhere, err := oci.ParseGlob("**")
	if err != nil {
		t.Fatal(err)
	}
	options := split.Options{
		Stores: []split.Store{{Key: "referrers.upstream[0]", Repositories: []oci.Glob{everywhere}, Registry: beside.Registry, Host: "second.example", Transfer: time.Minute}},
		Tags:   1000, Entries: 1000,
	}
	return newAnswering(t, primary, options.Shim()), beside
}

// send sends a request, and returns the answer with the header fields that are named.
func (a *answering) send(t *testing.T, method, target, body string, names ...string) (said, error) {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	req := (&http.Request{
		Method: method, URL: to, Header: http.Header{"Content-Type": {oci.MediaTypeImageManifest}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(t.Context())
	if body != "" {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(body))), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(body))
	}
	resp, err := a.RoundTrip(req)
	if err != nil {
		return said{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	answer := said{resp.StatusCode, map[string]string{}, string(got)}
	for _, name := range names {
		if value := resp.Header.Get(name); value != "" {
			answer.header[name] = value
		}
	}
	return answer, err
}

// sbom is a manifest with a subject and one layer.
func sbom(layer digest.Digest) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example","config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":%q},`+
		`"layers":[{"mediaType":"text/plain","size":5,"digest":%q}],"subject":{"mediaType":%q,"size":2,"digest":%q}}`,
		oci.MediaTypeImageManifest, digest.FromString("{}"), layer, oci.MediaTypeImageManifest, digest.FromString("subject"))
}

func manifestAt(repository, reference string) string {
	return "/v2/" + repository + "/manifests/" + reference
}

// pushing are the answers of a primary that lets who asks push.
func pushing(more map[string]said) map[string]said {
	answers := map[string]said{
		"POST /v2/app/blobs/uploads/":    {http.StatusAccepted, map[string]string{"Location": "/v2/app/blobs/uploads/1"}, ""},
		"DELETE /v2/app/blobs/uploads/1": {status: http.StatusNoContent},
	}
	for asked, answer := range more {
		answers[asked] = answer
	}
	return answers
}

// taking are the answers of a second registry that has the blobs of a manifest, and
// takes that.
func taking(body string, blobs ...digest.Digest) map[string]said {
	named := digest.FromString(body).String()
	answers := map[string]said{}
	for _, asked := range []string{"PUT " + manifestAt("app", named), "PUT " + manifestAt("app", "v1")} {
		answers[asked] = said{http.StatusCreated, map[string]string{"Docker-Content-Digest": named}, ""}
	}
	for _, blob := range append(blobs, digest.FromString("{}")) {
		answers["HEAD /v2/app/blobs/"+blob.String()] = said{status: http.StatusOK}
	}
	return answers
}

// TestPrimaryWithholdsABlob has the client get the primary's answer where that does
// not give out a blob which the second registry needs.
func TestPrimaryWithholdsABlob(t *testing.T) {
	layer := digest.FromString("layer")
	body := sbom(layer)
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name string
		says said
		want int
	}{
		{"denied", said{http.StatusForbidden, nil, long}, http.StatusForbidden},
		{"busy", said{http.StatusServiceUnavailable, map[string]string{"Retry-After": "7"}, long}, http.StatusServiceUnavailable},
		{"elsewhere", said{http.StatusTemporaryRedirect, map[string]string{"Location": "ftp://storage.example/blob"}, ""}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			primary, second := newSplit(t, pushing(map[string]said{"GET /v2/app/blobs/" + layer.String(): tt.says}), taking(body))
			got, err := primary.send(t, http.MethodPut, manifestAt("app", digest.FromString(body).String()), body)
			switch {
			case tt.want == 0 && err == nil:
				t.Errorf("got status %d for what the registry does not answer", got.status)
			case tt.want != 0 && (err != nil || got.status != tt.want || got.body != tt.says.body[:64<<10]):
				t.Errorf("got status %d and %d bytes, error %v; want %d and %d bytes", got.status, len(got.body), err, tt.want, 64<<10)
			}
			if second.saw("PUT " + manifestAt("app", digest.FromString(body).String())) {
				t.Error("the second registry was given the manifest")
			}
		})
	}
}

// TestTagsOfAParameter has no tag given in the second registry that stands for something
// else in the primary.
func TestTagsOfAParameter(t *testing.T) {
	layer := digest.FromString("layer")
	body := sbom(layer)
	named := digest.FromString(body)
	for _, tt := range []struct {
		name, query string
		stands      said
		want        int
	}{
		{"free", "?tag=v1", said{status: http.StatusNotFound}, http.StatusCreated},
		{"taken", "?tag=v1", said{http.StatusOK, map[string]string{"Docker-Content-Digest": digest.FromString("other").String()}, ""}, http.StatusConflict},
		{"the second of two", "?tag=v0&tag=v1", said{http.StatusOK, map[string]string{"Docker-Content-Digest": digest.FromString("other").String()}, ""}, http.StatusConflict},
		{"can't be told", "?tag=v1", said{status: http.StatusServiceUnavailable}, http.StatusServiceUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			primary, second := newSplit(t, pushing(map[string]said{"HEAD " + manifestAt("app", "v1"): tt.stands}), taking(body, layer))
			got, err := primary.send(t, http.MethodPut, manifestAt("app", named.String())+tt.query, body)
			if err != nil || got.status != tt.want {
				t.Errorf("got %+v, error %v; want status %d", got, err, tt.want)
			}
			if given := second.saw("PUT " + manifestAt("app", named.String())); given != (tt.want == http.StatusCreated) {
				t.Errorf("the second registry was given the manifest: %v", given)
			}
		})
	}
}

// TestPageIsNoPermission shows nothing of the second registry by a page that somebody in
// the place of the primary answers everything with.
func TestPageIsNoPermission(t *testing.T) {
	blob := digest.FromString("blob")
	secret := map[string]said{"GET /v2/app/blobs/" + blob.String(): {http.StatusOK, nil, "blob"}}
	for name, tt := range map[string]struct {
		tags said
		want int
	}{
		"tags":   {said{http.StatusOK, map[string]string{"Content-Type": "application/json"}, `{"name":"app","tags":["v1"]}`}, http.StatusOK},
		"a page": {said{http.StatusOK, map[string]string{"Content-Type": "text/html; charset=utf-8"}, `<html>Sign in</html>`}, http.StatusNotFound},
		"denied": {said{status: http.StatusForbidden}, http.StatusNotFound},
		"none":   {said{status: http.StatusNotFound}, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			primary, _ := newSplit(t, map[string]said{"GET /v2/app/tags/list": tt.tags}, secret)
			got, err := primary.send(t, http.MethodGet, "/v2/app/blobs/"+blob.String(), "")
			if err != nil || got.status != tt.want {
				t.Errorf("got %+v, error %v; want status %d", got, err, tt.want)
			}
		})
	}
}

// TestMayPush has the second registry take what the primary would.
func TestMayPush(t *testing.T) {
	layer := digest.FromString("layer")
	body := sbom(layer)
	target := manifestAt("app", digest.FromString(body).String())
	for _, tt := range []struct {
		name string
		says said
		want int // 0: none
	}{
		{"allowed", said{http.StatusAccepted, map[string]string{"Location": "/v2/app/blobs/uploads/1"}, ""}, http.StatusCreated},
		{"denied", said{status: http.StatusForbidden}, http.StatusForbidden},
		{"sent elsewhere", said{http.StatusTemporaryRedirect, map[string]string{"Location": "/login"}, ""}, 0},
		{"a page", said{http.StatusOK, map[string]string{"Content-Type": "text/html"}, "<html>Sign in</html>"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			primary, second := newSplit(t, pushing(map[string]said{"POST /v2/app/blobs/uploads/": tt.says}), taking(body, layer))
			got, err := primary.send(t, http.MethodPut, target, body)
			if (err != nil) != (tt.want == 0) || got.status != tt.want {
				t.Errorf("got %+v, error %v; want status %d", got, err, tt.want)
			}
			if given := second.saw("PUT " + target); given != (tt.want == http.StatusCreated) {
				t.Errorf("the second registry was given the manifest: %v", given)
			}
		})
	}
}
