package upstream_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/upstream"
)

// guarded is a registry that wants tokens, and the server that gives them.
type guarded struct {
	url string

	mutex sync.Mutex
	// valid are the tokens that hold, each with its scopes.
	valid map[string][]string
	// asked are the scopes of each token that was asked for.
	asked []string
	// bodies are the bodies of requests that were let in.
	bodies []string
	// openDoor has /v2/ ask nobody to sign in.
	openDoor bool
	refused  int
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{valid: map[string][]string{}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		g.token(w, r)
		return
	}
	g.mutex.Lock()
	scopes, in := g.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	open := g.openDoor
	g.mutex.Unlock()
	need := ""
	if r.URL.Path != "/v2/" {
		need = "repository:app:pull"
		if r.URL.Path != "/v2/" {
			need += ",push"
		}
	}
	if r.URL.Path == "/v2/" && open || in && (need == "" || slices.Contains(scopes, need)) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		g.mutex.Lock()
		g.bodies = append(g.bodies, string(body))
		g.mutex.Unlock()
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusAccepted)
		}
		return
	}
	g.mutex.Lock()
	g.refused++
	g.mutex.Unlock()
	challenge := fmt.Sprintf(`Bearer realm="%s/token",service="registry"`, g.url)
	if need != "" {
		challenge += fmt.Sprintf(`,scope=%q`, need)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
}

func (g *guarded) token(w http.ResponseWriter, r *http.Request) {
	name, password, _ := r.BasicAuth()
	if name != "backref" || password != "s3cret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	scopes := r.URL.Query()["scope"]
	token := fmt.Sprint("token", len(g.asked))
	g.asked = append(g.asked, strings.Join(scopes, " "))
	g.valid[token] = scopes
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
}

// revoke ends all tokens that were given out.
func (g *guarded) revoke() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.valid = map[string][]string{}
}

// open returns the registry with the service's credentials.
func open(t *testing.T, base string, service upstream.Service) *upstream.Registry {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := upstream.New(upstream.Options{URL: u, Service: service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return registry
}

func login() upstream.Service {
	return upstream.Service{Username: "backref", Password: "s3cret"}
}

// sendOnce sends a body that can't be sent twice.
func sendOnce(t *testing.T, registry *upstream.Registry, method, target, body string) (int, error) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	service, _ := registry.Service()
	req := (&http.Request{Method: method, URL: u, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(t.Context())
	if body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	resp, err := registry.Send(service, req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, nil
}

func TestTheTokenIsThereBeforeTheBody(t *testing.T) {
	g := newGuarded(t)
	registry := open(t, g.url, login())
	for i := range 3 {
		body := strings.Repeat("x", 1<<20)
		if status, err := sendOnce(t, registry, http.MethodPatch, "/v2/app/blobs/uploads/1", body); status != http.StatusAccepted || err != nil {
			t.Fatalf("upload %d: %d %v", i, status, err)
		}
		if g.bodies[len(g.bodies)-1] != body {
			t.Error("the body is another")
		}
	}
	if want := []string{"repository:app:pull,push"}; !slices.Equal(g.asked, want) {
		t.Errorf("tokens were asked for %q, want %q", g.asked, want)
	}
}

func TestAMountIsForBothRepositories(t *testing.T) {
	g := newGuarded(t)
	registry := open(t, g.url, login())
	if status, err := sendOnce(t, registry, http.MethodPost, "/v2/app/blobs/uploads/?mount=x&from=base", ""); status != http.StatusAccepted || err != nil {
		t.Fatal(status, err)
	}
	if want := "repository:app:pull,push repository:base:pull"; len(g.asked) != 1 || g.asked[0] != want {
		t.Errorf("tokens were asked for %q, want %q", g.asked, want)
	}
}

func TestATokenThatIsRefusedIsReplaced(t *testing.T) {
	g := newGuarded(t)
	registry := open(t, g.url, login())
	if status, err := sendOnce(t, registry, http.MethodGet, "/v2/app/manifests/x", ""); status != http.StatusAccepted || err != nil {
		t.Fatal(status, err)
	}
	g.revoke()
	if status, err := sendOnce(t, registry, http.MethodGet, "/v2/app/manifests/x", ""); status != http.StatusAccepted || err != nil {
		t.Errorf("without a body: %d %v", status, err)
	}
	upload := func() error {
		_, err := sendOnce(t, registry, http.MethodPatch, "/v2/app/blobs/uploads/1", "the body")
		return err
	}
	if err := upload(); err != nil {
		t.Fatal(err)
	}
	g.revoke()
	if err := upload(); !errors.Is(err, upstream.ErrBodySpent) {
		t.Errorf("a body that was sent: %v", err)
	}
	if err := upload(); err != nil {
		t.Errorf("the next try: %v", err)
	}
	for _, body := range g.bodies {
		if body != "" && body != "the body" {
			t.Errorf("a body came in part: %q", body)
		}
	}
}

// A registry that lets anyone in at its door may want a token for an upload
// all the same. It gets the time to say so before the body comes.
func TestAnOpenDoor(t *testing.T) {
	g := newGuarded(t)
	g.openDoor = true
	registry := open(t, g.url, login())
	if status, err := sendOnce(t, registry, http.MethodPost, "/v2/app/blobs/uploads/?digest=x", "the body"); status != http.StatusAccepted || err != nil {
		t.Fatal(status, err)
	}
	if got := g.bodies[len(g.bodies)-1]; got != "the body" {
		t.Errorf("body %q", got)
	}
}

func TestWrongCredentials(t *testing.T) {
	g := newGuarded(t)
	registry := open(t, g.url, upstream.Service{Username: "backref", Password: "wr0ng"})
	_, err := sendOnce(t, registry, http.MethodPatch, "/v2/app/blobs/uploads/1", "body")
	if !errors.Is(err, upstream.ErrUnreachable) || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("got %v", err)
	}
}

func TestCredentialsOfDocker(t *testing.T) {
	g := newGuarded(t)
	host := strings.TrimPrefix(g.url, "http://")
	dir := t.TempDir()
	helper := fmt.Sprintf("#!/bin/sh\nread server\n[ \"$server\" = %s ] && echo '{\"ServerURL\":\"x\",\"Username\":\"backref\",\"Secret\":\"s3cret\"}'\n", host)
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	auth := base64.StdEncoding.EncodeToString([]byte("backref:s3cret"))
	for name, content := range map[string]string{
		"file":               fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth),
		"helper of the host": fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, host),
		"helper of all":      `{"credsStore":"test"}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			registry := open(t, g.url, upstream.Service{DockerConfig: path})
			if status, err := sendOnce(t, registry, http.MethodGet, "/v2/app/manifests/x", ""); status != http.StatusAccepted || err != nil {
				t.Error(status, err)
			}
		})
	}
	o := upstream.Options{URL: &url.URL{Scheme: "http", Host: "localhost"}}
	o.Service.DockerConfig = filepath.Join(dir, "missing")
	if _, err := upstream.New(o); err == nil {
		t.Error("a missing file is no error")
	}
}

// Whatever the registry says, what proves who backref is goes there only, or to
// its token server.
func TestCredentialsAreForNoOtherHost(t *testing.T) {
	var mutex sync.Mutex
	var leaked []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		leaked = append(leaked, r.URL.String()+" "+fmt.Sprint(r.Header))
	}))
	t.Cleanup(elsewhere.Close)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("backref:s3cret"))
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != basic {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Location", elsewhere.URL+"/stolen")
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		registry := open(t, server.URL, login())
		for _, method := range []string{http.MethodGet, http.MethodPatch} {
			body := map[string]string{http.MethodPatch: "body"}[method]
			if got, err := sendOnce(t, registry, method, "/v2/app/blobs/uploads/1", body); got != status || err != nil {
				t.Errorf("%s: got %d, %v: the redirect is the client's", method, got, err)
			}
		}
		// So are those that it sends to the token server.
		tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				http.Redirect(w, r, elsewhere.URL, status)
				return
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		}))
		t.Cleanup(tokens.Close)
		if _, err := sendOnce(t, open(t, tokens.URL, login()), http.MethodGet, "/v2/app/manifests/x", ""); err == nil {
			t.Error("a token server that leads elsewhere gave a token")
		}
	}
	if len(leaked) > 0 {
		t.Errorf("another host saw %v", leaked)
	}
}

func TestTokensAreDroppedBeforeTheyAreTooOld(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			asked++
			// The clock of the token server is another: only the difference counts.
			claims := base64.RawURLEncoding.EncodeToString([]byte(`{"iat":1000,"exp":1002}`))
			_, _ = fmt.Fprintf(w, `{"token":"x.%s.y"}`, claims)
		case r.Header.Get("Authorization") == "":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	registry := open(t, server.URL, login())
	until := time.Now().Add(20 * time.Second)
	for asked < 2 && time.Now().Before(until) {
		if _, err := sendOnce(t, registry, http.MethodGet, "/v2/app/manifests/x", ""); err != nil {
			t.Fatal(err)
		}
	}
	if asked < 2 {
		t.Error("an old token was kept")
	}
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	as := upstream.CredentialsOf(http.Header{"Authorization": {"Bearer s3cret"}})
	var printed bytes.Buffer
	_, _ = fmt.Fprintf(&printed, "%v %+v %#v %s", as, as, as, as)
	if strings.Contains(printed.String(), "s3cret") {
		t.Error(printed.String())
	}
}

func TestDownloadsAreSigned(t *testing.T) {
	g := newGuarded(t)
	registry := open(t, g.url, login())
	service, _ := registry.Service()
	for _, revoked := range []bool{false, false, true} {
		if revoked {
			g.revoke()
		}
		req := (&http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: "/v2/app/blobs/sha256:x"}, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(t.Context())
		resp, err := registry.Send(service, req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if len(g.asked) != 2 {
		t.Errorf("tokens were asked for %q", g.asked)
	}
}

// Bodies can be moved whoever signs the request, unless net/http is to send it.
func TestBodiesOfTheServiceMove(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// More than what is read with a header.
		w.Header().Set("Content-Length", fmt.Sprint(1<<20))
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, standard := range []bool{false, true} {
		registry, err := upstream.New(upstream.Options{URL: base, Service: upstream.Service{Anonymous: true}, StandardTransport: standard})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(registry.Close)
		service, _ := registry.Service()
		resp, err := registry.Send(service, (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/v2/a/blobs/x"}, Header: http.Header{}}).WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		_, moves := resp.Body.(interface {
			Move(to upstream.Mover, most int64, within time.Duration) (int64, error)
		})
		if moves == standard {
			t.Errorf("standard %t: a body of type %T", standard, resp.Body)
		}
		_ = resp.Body.Close()
	}
}
