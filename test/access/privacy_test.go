package access

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// seen are the headers that a server got.
type seen struct {
	mutex   sync.Mutex
	headers []http.Header
}

func (s *seen) add(r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.headers = append(s.headers, r.Header.Clone())
}

// behind starts backref in auth.mode service in front of a server of ours.
func behind(t *testing.T, handler http.HandlerFunc) *place {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	p := &place{t: t, issuer: rig.NewIssuer(t), users: filepath.Join(t.TempDir(), "users")}
	writeUsers(t, p.users, "ann", annPassword, "bob", bobPassword, "root", rootPassword)
	p.backref = newBackref(t, server.URL, settings(t, "{username: backref, password: "+servicePassword+"}", p.users, p.issuer.URL))
	return p
}

// What clients prove themselves with stays here, and what backref proves itself
// with goes to the registry alone.
func TestCredentialsStayWhereTheyBelong(t *testing.T) {
	var registry, storage seen
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		storage.add(r)
		_, _ = w.Write([]byte("content"))
	}))
	t.Cleanup(elsewhere.Close)
	blob := digest.FromString("content").String()
	p := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != basic("backref", servicePassword) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("the registry saw %s", r.Header.Get("Authorization"))
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		registry.add(r)
		w.Header().Set("Set-Cookie", "session=of-the-service")
		if strings.Contains(r.URL.Path, "/blobs/sha256:") || strings.Contains(r.URL.Path, "/uploads/moved") {
			http.Redirect(w, r, elsewhere.URL+"/bucket?signature=x", http.StatusTemporaryRedirect)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
	clients := p.clientsOf()
	for _, authorization := range []string{clients["ann"], clients["dev"]} {
		for _, path := range []string{"/v2/team/app/manifests/v1", "/v2/team/app/tags/list", "/v2/team/app/referrers/" + blob} {
			got := p.as(authorization, http.MethodGet, path, nil, "Cookie", "theirs=1", "X-HTTP-Method-Override", "DELETE")
			if got.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s: the client got the service's cookie", path)
			}
		}
		got := p.as(authorization, http.MethodGet, "/v2/team/app/blobs/"+blob, nil).Want(t, http.StatusTemporaryRedirect)
		if got.Header.Get("Location") != elsewhere.URL+"/bucket?signature=x" {
			t.Errorf("redirected to %s", got.Header.Get("Location"))
		}
		p.as(authorization, http.MethodPatch, "/v2/team/app/blobs/uploads/moved", []byte("x")).Want(t, http.StatusTemporaryRedirect)
	}
	if len(registry.headers) == 0 || len(storage.headers) > 0 {
		t.Errorf("the registry was asked %d times, another host %d times: %v", len(registry.headers), len(storage.headers), storage.headers)
	}
	for _, header := range registry.headers {
		if header.Get("Cookie") != "" || header.Get("X-HTTP-Method-Override") != "" {
			t.Errorf("the registry saw %v", header)
		}
	}
}

// A registry that does not let backref in is the operator's business: its
// challenge would have clients send their passwords there.
func TestTheRegistrysChallengeStaysWithUs(t *testing.T) {
	p := behind(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	ann := p.clientsOf()["ann"]
	for _, request := range []string{
		"GET manifests/v1", "HEAD manifests/v1", "PUT manifests/v1", "GET tags/list", "POST blobs/uploads/", "PATCH blobs/uploads/1",
		"GET referrers/" + digest.FromString("x").String(), "DELETE manifests/v1",
	} {
		method, rest, _ := strings.Cut(request, " ")
		var body []byte
		if method == http.MethodPut || method == http.MethodPatch {
			body = rig.Image("x").Bytes()
		}
		got := p.as(ann, method, "/v2/team/app/"+rest, body, "Content-Type", rig.ImageManifest)
		if got.Status < 500 || got.Header.Get("WWW-Authenticate") != "" || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", request, got.Status, got.Header, got.Body)
		}
	}
}
