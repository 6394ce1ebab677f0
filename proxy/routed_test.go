package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// A client of a route names what that has by the prefix, by a host, or by the name of
// a registry.
type byName struct {
	name string
	// host is the Host that it sends, ns the name that it gives, and path what comes
	// before a name.
	host, ns, path string
}

func allNames() []byName {
	return []byName{
		{name: "prefix", path: "hub/"},
		{name: "host", host: "hub.example:8443"},
		{name: "ns", ns: "docker.io"},
		{name: "host and ns", host: "other.example", ns: "Docker.io"},
	}
}

// routed is a fixture with a route to another odd registry.
type routed struct {
	*fixture

	hub *oddRegistry
}

func newRouted(t *testing.T, configure ...func(*config.Config)) routed {
	t.Helper()
	hub := newOddRegistry()
	server := httptest.NewServer(hub)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	set := func(c *config.Config) {
		c.Upstream.Routes = []config.UpstreamRoute{
			{Prefix: "hub", Hosts: []string{"hub.example"}, Namespaces: []string{"docker.io"}, URL: at, Library: true},
			{Prefix: "other", Hosts: []string{"other.example"}, URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}},
		}
	}
	return routed{newFixture(t, append([]func(*config.Config){set}, configure...)...), hub}
}

// as sends a request for what a client names so; path is behind /v2/<name before it>.
func (f routed) as(by byName, method, path string, body []byte, headers ...string) reply {
	f.t.Helper()
	target := "/v2/" + by.path + path
	if by.ns != "" {
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		target += separator + "ns=" + by.ns
	}
	return f.raw(by.host, method, target, body, headers...)
}

func (f routed) raw(host, method, target string, body []byte, headers ...string) reply {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+target, strings.NewReader(string(body)))
	if err != nil {
		f.t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, read}
}

// What is pushed by one name is listed by all, once, and reaches one registry.
func TestRouteByAllNames(t *testing.T) {
	for _, pushes := range allNames() {
		t.Run(pushes.name, func(t *testing.T) {
			f := newRouted(t)
			subject := f.hub.put("library/app", image("subject"), "v1")
			manifest := referrer("sbom", subject)
			got := f.as(pushes, http.MethodPut, "app/manifests/"+digest.FromBytes(manifest).String(), manifest, "Content-Type", imageManifest)
			if got.status != http.StatusCreated || got.header.Get("OCI-Subject") != subject.String() {
				t.Fatalf("push: %d %v %s", got.status, got.header, got.body)
			}
			for _, lists := range allNames() {
				for _, name := range []string{"app", "library/app"} {
					got := f.as(lists, http.MethodGet, name+"/referrers/"+subject.String(), nil)
					if got.status != http.StatusOK || !slices.Equal(entriesOf(t, got.body), []digest.Digest{digest.FromBytes(manifest)}) {
						t.Errorf("listed by %s as %s: %d %s", lists.name, name, got.status, got.body)
					}
				}
			}
			if seen := f.registry.seen(); len(seen) > 0 {
				t.Errorf("the other registry was asked: %v", seen)
			}
			if got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil); got.status != http.StatusOK || len(entriesOf(t, got.body)) != 0 {
				t.Errorf("the repository of that name elsewhere: %d %s", got.status, got.body)
			}
		})
	}
}

// Answers lead where the client came from, by the names that it has.
func TestAnswersOfARouteNameWhatTheClientDid(t *testing.T) {
	for _, by := range allNames() {
		t.Run(by.name, func(t *testing.T) {
			f := newRouted(t)
			f.hub.answer(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case strings.HasSuffix(r.URL.Path, "/blobs/uploads/"):
					w.Header().Set("Location", "http://"+r.Host+r.URL.Path+"1?_state=x")
					w.WriteHeader(http.StatusAccepted)
				case strings.HasSuffix(r.URL.Path, "/blobs/uploads/1"):
					w.Header().Set("Location", "/elsewhere/1?_state="+r.URL.Query().Get("_state"))
					w.WriteHeader(http.StatusAccepted)
				case r.URL.Path == "/elsewhere/1":
					w.Header().Set("X-Query", r.URL.RawQuery)
					w.WriteHeader(http.StatusCreated)
				case strings.HasSuffix(r.URL.Path, "/tags/list"):
					w.Header().Set("Link", "<"+r.URL.Path+`?last=a&n=1>; rel="next"`)
					_, _ = fmt.Fprintf(w, `{"name":%q,"tags":["a"]}`, strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list"))
				default:
					return false
				}
				return true
			})
			ns := ""
			if by.ns != "" {
				ns = "&ns=" + by.ns
			}
			got := f.as(by, http.MethodPost, "app/blobs/uploads/", nil)
			if want := "/v2/" + by.path + "app/blobs/uploads/1?_state=x" + ns; got.header.Get("Location") != want {
				t.Fatalf("upload: %d Location %s, want %s", got.status, got.header.Get("Location"), want)
			}
			got = f.raw(by.host, http.MethodPatch, got.header.Get("Location"), []byte("x"))
			got = f.raw(by.host, http.MethodPut, got.header.Get("Location"), nil)
			if got.status != http.StatusCreated || got.header.Get("X-Query") != "_state=x" {
				t.Errorf("the upload's end: %d %v", got.status, got.header)
			}
			for _, query := range []string{"", "?n=1"} {
				got = f.as(by, http.MethodGet, "app/tags/list"+query, nil)
				var list struct{ Name string }
				if err := json.Unmarshal(got.body, &list); err != nil || list.Name != by.path+"app" {
					t.Errorf("tags: %v, %s", err, got.body)
				}
				next := nextOf(got.header.Get("Link"))
				if want := "/v2/" + by.path + "app/tags/list?"; !strings.HasPrefix(next, want) || strings.Count(next, "ns=") != strings.Count(ns, "ns=") {
					t.Errorf("tags: Link %s, want %s", next, want)
				}
				f.hub.seen()
				f.raw(by.host, http.MethodGet, next, nil)
				if seen := f.hub.seen(); len(seen) == 0 || seen[0] != "GET /v2/library/app/tags/list" {
					t.Errorf("the link led to %v", seen)
				}
			}
			if seen := f.registry.seen(); len(seen) > 0 {
				t.Errorf("the other registry was asked: %v", seen)
			}
		})
	}
}

// Listings of several pages are read to the end by their links.
func TestPagesOfARoute(t *testing.T) {
	for _, by := range allNames() {
		t.Run(by.name, func(t *testing.T) {
			f := newRouted(t)
			subject := f.hub.put("library/app", image("subject"))
			for i := range 3 {
				manifest := referrer(fmt.Sprint(i), subject)
				f.as(by, http.MethodPut, "app/manifests/"+digest.FromBytes(manifest).String(), manifest, "Content-Type", imageManifest)
			}
			got := f.as(by, http.MethodGet, "app/referrers/"+subject.String()+"?n=1", nil)
			found := len(entriesOf(t, got.body))
			for next := nextOf(got.header.Get("Link")); next != ""; next = nextOf(got.header.Get("Link")) {
				if !strings.HasPrefix(next, "/v2/"+by.path+"app/referrers/") {
					t.Fatalf("Link %s", next)
				}
				got = f.raw(by.host, http.MethodGet, next, nil)
				found += len(entriesOf(t, got.body))
			}
			if found != 3 {
				t.Errorf("%d of 3 on all pages", found)
			}
		})
	}
}

// All that is asked at a host of a route is of its registry, so that credentials given
// there reach no other.
func TestAllAtAHostIsOfItsRoute(t *testing.T) {
	f := newRouted(t)
	for _, target := range []string{
		"/v2/", "/v2/_catalog", "/token?service=x", "/v2/app/manifests/v1", "/v2/hub/app/manifests/v1", "/v2/_oci/ext/discover", "/anything",
		"/_backref/routes/other/x", "/v2/app/referrers/" + digest.FromString("x").String(),
	} {
		f.raw("HUB.example", http.MethodGet, target, nil, "Authorization", "Basic eDp5")
		if seen := f.registry.seen(); len(seen) > 0 {
			t.Errorf("%s: the other registry was asked %v", target, seen)
		}
	}
	if seen := f.hub.seen(); !slices.Contains(seen, "GET /v2/_catalog") || !slices.Contains(seen, "GET /token") || !slices.Contains(seen, "GET /v2/hub/app/manifests/v1") {
		t.Errorf("seen: %v", seen)
	}
}

// A name that means the upstream does so at the host of a route, and one that nobody
// knows is asked of where the request goes.
func TestOtherNamesStay(t *testing.T) {
	f := newRouted(t, func(c *config.Config) { c.Upstream.Namespaces = []string{"first.example"} })
	f.raw("hub.example", http.MethodGet, "/v2/app/manifests/v1?ns=first.example", nil)
	if seen := f.registry.seen(); !slices.Contains(seen, "GET /v2/app/manifests/v1") {
		t.Errorf("by its own name the upstream saw %v", seen)
	}
	f.hub.seen()
	queries := make(chan string, 10)
	f.hub.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		queries <- r.URL.RawQuery
		return false
	})
	f.raw("", http.MethodGet, "/v2/hub/app/manifests/v1?ns=unknown.example", nil)
	if query := <-queries; query != "ns=unknown.example" {
		t.Errorf("asked with %q", query)
	}
}

// A permission in one registry is none in another.
func TestPermissionsOfRoutes(t *testing.T) {
	f := newRouted(t, func(c *config.Config) { c.Permissions.CacheTTL = time.Minute })
	subject := f.hub.put("library/app", image("subject"))
	f.registry.put("app", image("subject"))
	f.registry.put("library/app", image("subject"))
	manifest := referrer("secret", subject)
	f.push("hub/app", manifest)
	f.push("app", manifest)
	if got := f.list("hub/app", subject, "Authorization", "Bearer x"); len(got) != 1 {
		t.Fatalf("listed: %v", got)
	}
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	for _, repository := range []string{"app", "library/app"} {
		if got := f.do(http.MethodGet, "/v2/"+repository+"/referrers/"+subject.String(), nil, "Authorization", "Bearer x"); got.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", repository, got.status, got.body)
		}
	}
}

// What one registry doesn't answer is no matter of another.
func TestARegistryIsDown(t *testing.T) {
	f := newRouted(t)
	subject := f.hub.put("library/app", image("subject"))
	f.push("hub/app", referrer("a", subject))
	// The route other leads nowhere.
	if got := f.do(http.MethodGet, "/v2/other/app/referrers/"+subject.String(), nil); got.status != http.StatusBadGateway {
		t.Errorf("a listing of a registry that is down: %d %s", got.status, got.body)
	}
	f.registry.answer(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	if got := f.list("hub/app", subject); len(got) != 1 {
		t.Errorf("listed: %v", got)
	}
	if got := f.list("hub/app", digest.FromString("absent")); len(got) != 0 {
		t.Errorf("listed of a subject that is absent: %v", got)
	}
	if got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil); got.status != http.StatusBadGateway {
		t.Errorf("a listing of the other: %d %s", got.status, got.body)
	}
}

// Where the service signs in, clients of a route get what their rules say, and no
// repository of a route is shown as the upstream's.
func TestRoutesWithRules(t *testing.T) {
	f := newRouted(t, func(c *config.Config) {
		c.Upstream.Service.Anonymous = true
		for i := range c.Upstream.Routes {
			c.Upstream.Routes[i].Service.Anonymous = true
		}
		c.Auth.Mode = config.AuthService
		c.Auth.Rules = []config.Rule{{Repositories: []string{"hub/library/app"}, Anonymous: true, Allow: []string{"pull", "push"}}}
	})
	f.hub.put("library/app", image("subject"), "v1")
	f.hub.put("library/secret", image("secret"), "v1")
	f.registry.put("library/app", image("other"), "v1")
	f.hub.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/blobs/uploads/"):
			w.Header().Set("Location", "/elsewhere/1")
			w.WriteHeader(http.StatusAccepted)
		case strings.HasPrefix(r.URL.Path, "/elsewhere/"):
			w.WriteHeader(http.StatusCreated)
		default:
			return false
		}
		return true
	})
	for _, by := range allNames() {
		if got := f.as(by, http.MethodGet, "app/manifests/v1", nil); got.status != http.StatusOK {
			t.Errorf("%s: pull: %d %s", by.name, got.status, got.body)
		}
		if got := f.as(by, http.MethodGet, "secret/manifests/v1", nil); got.status == http.StatusOK {
			t.Errorf("%s: pulled what no rule allows", by.name)
		}
		got := f.as(by, http.MethodPost, "app/blobs/uploads/", nil)
		if got := f.raw(by.host, http.MethodPut, got.header.Get("Location"), nil); got.status != http.StatusCreated {
			t.Errorf("%s: the upload at %s: %d %s", by.name, got.header.Get("Location"), got.status, got.body)
		}
		if got := f.raw(by.host, http.MethodPut, strings.Replace(got.header.Get("Location"), "/1", "/2", 1), nil); got.status == http.StatusCreated {
			t.Errorf("%s: an upload that nobody was sent to", by.name)
		}
	}
	if got := f.raw("", http.MethodGet, "/v2/library/app/manifests/v1", nil); got.status == http.StatusOK {
		t.Error("pulled of the upstream what the rule allows of the route")
	}
	if got := f.raw("hub.example", http.MethodGet, "/v2/_catalog", nil); got.status != http.StatusNotFound {
		t.Errorf("the catalog of the route: %d %s", got.status, got.body)
	}
}
