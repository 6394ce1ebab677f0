package routes_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/routes"
)

// recorder is a registry that notes what it gets.
type recorder struct {
	*httptest.Server

	mutex  sync.Mutex
	got    []*http.Request
	answer http.HandlerFunc
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.got = append(r.got, req)
		if r.answer != nil {
			r.answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// seen returns the targets of the requests since the last call.
func (r *recorder) seen() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var seen []string
	for _, req := range r.got {
		seen = append(seen, req.RequestURI)
	}
	r.got = nil
	return seen
}

func (r *recorder) registry(t *testing.T, shims ...upstream.Shim) *upstream.Registry {
	t.Helper()
	at, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := upstream.New(upstream.Options{URL: at, Shims: shims})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return registry
}

// several are a registry with two routes: hub, with Docker Hub's rule, and team/own,
// which is below team.
type several struct {
	first, hub, team, own *recorder
	all                   *upstream.Registry
}

func newSeveral(t *testing.T) several {
	t.Helper()
	s := several{first: newRecorder(t), hub: newRecorder(t), team: newRecorder(t), own: newRecorder(t)}
	table, err := routes.New([]routes.Route{
		{Key: "upstream.routes[0]", Prefix: "hub", Library: true, Registry: s.hub.registry(t)},
		{Key: "upstream.routes[1]", Prefix: "team", Registry: s.team.registry(t)},
		{Key: "upstream.routes[2]", Prefix: "team/own", Registry: s.own.registry(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.all = s.first.registry(t, table.Shim())
	return s
}

// send sends a request as it stands in a request line.
func (s several) send(t *testing.T, method, target string, headers ...string) *http.Response {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	req := (&http.Request{Method: method, URL: u, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(t.Context())
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := s.all.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

// Each request reaches one registry, which knows the repository by its own name.
func TestWhereRequestsGo(t *testing.T) {
	s := newSeveral(t)
	for _, c := range []struct {
		method, target string
		to             *recorder
		as             string
	}{
		{"GET", "/v2/", s.first, "/v2/"},
		{"GET", "/v2/_catalog", s.first, "/v2/_catalog"},
		{"GET", "/v2/app/manifests/v1", s.first, "/v2/app/manifests/v1"},
		{"GET", "/v2/hub/manifests/v1", s.first, "/v2/hub/manifests/v1"},
		{"GET", "/v2/hubs/app/manifests/v1", s.first, "/v2/hubs/app/manifests/v1"},
		{"GET", "/v2/app/hub/manifests/v1", s.first, "/v2/app/hub/manifests/v1"},
		{"GET", "/v2/hub/alpine/manifests/v1", s.hub, "/v2/library/alpine/manifests/v1"},
		{"GET", "/v2/hub/library/alpine/manifests/v1", s.hub, "/v2/library/alpine/manifests/v1"},
		{"GET", "/v2/hub/a/b/tags/list?n=3&last=x", s.hub, "/v2/a/b/tags/list?n=3&last=x"},
		{"GET", "/v2/%68ub/a/b/blobs/" + digest, s.hub, "/v2/a/b/blobs/" + digest},
		{"GET", "/v2/hub/a/manifests/manifests/v1", s.hub, "/v2/a/manifests/manifests/v1"},
		{"PATCH", "/v2/hub/a/b/blobs/uploads/x%2Fy?_state=z", s.hub, "/v2/a/b/blobs/uploads/x%2Fy?_state=z"},
		{"GET", "/v2/hub/alpine/referrers/" + digest, s.hub, "/v2/library/alpine/referrers/" + digest},
		{"GET", "/v2/hub/a/unknown/endpoint", s.hub, "/v2/a/unknown/endpoint"},
		{"GET", "/v2/team/app/manifests/v1", s.team, "/v2/app/manifests/v1"},
		{"GET", "/v2/team/own/manifests/v1", s.team, "/v2/own/manifests/v1"},
		{"GET", "/v2/team/own/app/manifests/v1", s.own, "/v2/app/manifests/v1"},
		{"PATCH", "/_backref/routes/team:own/upload/1?x=%20", s.own, "/upload/1?x=%20"},
		{"GET", "/_backref/routes/hub/v2/", s.hub, "/v2/"},
		{"GET", "/_backref/routes/hub/v2/_catalog?n=2", s.hub, "/v2/_catalog?n=2"},
		{"POST", "/v2/hub/alpine/blobs/uploads/?from=hub%2Fbase&mount=" + digest, s.hub, "/v2/library/alpine/blobs/uploads/?from=library%2Fbase&mount=sha256%3A44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
		{"POST", "/v2/hub/alpine/blobs/uploads/?from=app&mount=" + digest, s.hub, "/v2/library/alpine/blobs/uploads/"},
		{"POST", "/v2/hub/alpine/blobs/uploads/?fr%6Fm=team/app&mount=" + digest + "&x=1", s.hub, "/v2/library/alpine/blobs/uploads/?x=1"},
		{"POST", "/v2/app/blobs/uploads/?from=team/app&mount=" + digest, s.first, "/v2/app/blobs/uploads/"},
		{"POST", "/v2/app/blobs/uploads/?from=base&mount=" + digest, s.first, "/v2/app/blobs/uploads/?from=base&mount=" + digest},
		{"POST", "/v2/hub/alpine/blobs/uploads/?mount=" + digest, s.hub, "/v2/library/alpine/blobs/uploads/?mount=" + digest},
		// By a passage there are no repositories.
		{"GET", "/_backref/routes/hub/v2/a/b/manifests/v1", nil, ""},
		{"GET", "/_backref/routes/hub/V2/a/b/manifests/v1", nil, ""},
		{"GET", "/_backref/routes/other/v2/", nil, ""},
	} {
		t.Run(c.target, func(t *testing.T) {
			s.send(t, c.method, c.target)
			for _, r := range []*recorder{s.first, s.hub, s.team, s.own} {
				var want string
				if r == c.to {
					want = c.as
				}
				if got := strings.Join(r.seen(), " "); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// What answers refer to is named as clients reach it.
func TestWhatAnswersReferTo(t *testing.T) {
	s := newSeveral(t)
	for _, c := range []struct {
		target, refers, want string
	}{
		{"/v2/hub/alpine/blobs/uploads/", "/v2/library/alpine/blobs/uploads/1?_state=x", "/v2/hub/alpine/blobs/uploads/1?_state=x"},
		{"/v2/hub/library/alpine/blobs/uploads/", "/v2/library/alpine/blobs/uploads/1", "/v2/hub/library/alpine/blobs/uploads/1"},
		{"/v2/hub/alpine/blobs/uploads/", "HUB/v2/library/alpine/blobs/uploads/1", "/v2/hub/alpine/blobs/uploads/1"},
		{"/v2/hub/alpine/blobs/uploads/", "/v2/library/other/blobs/" + digest, "/v2/hub/library/other/blobs/" + digest},
		{"/v2/hub/alpine/blobs/uploads/", "/upload/1?x=y", "/_backref/routes/hub/upload/1?x=y"},
		{"/v2/team/own/app/blobs/uploads/", "/upload/1", "/_backref/routes/team:own/upload/1"},
		{"/v2/hub/alpine/tags/list", "list?n=2&last=b", "/v2/hub/alpine/tags/list?n=2&last=b"},
		{"/v2/hub/alpine/tags/list", "?n=2&last=b", "/v2/hub/alpine/tags/list?n=2&last=b"},
		{"/v2/hub/alpine/blobs/" + digest, "https://storage.example/x?signature=y", "https://storage.example/x?signature=y"},
		{"/v2/app/blobs/uploads/", "/v2/app/blobs/uploads/1", "/v2/app/blobs/uploads/1"},
	} {
		t.Run(c.target+" "+c.refers, func(t *testing.T) {
			refers := strings.Replace(c.refers, "HUB", s.hub.URL, 1)
			answer := func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", refers)
				w.Header().Set("Link", "<"+refers+`>; rel="next"`)
				w.Header().Set("Set-Cookie", "a=b")
			}
			s.first.answer, s.hub.answer, s.own.answer = answer, answer, answer
			resp := s.send(t, http.MethodGet, c.target)
			location := strings.TrimPrefix(resp.Header.Get("Location"), s.first.URL)
			link := strings.Replace(resp.Header.Get("Link"), s.first.URL, "", 1)
			if location != c.want || link != "<"+c.want+`>; rel="next"` {
				t.Errorf("Location %s, Link %s, want %s", location, link, c.want)
			}
			if strings.HasPrefix(c.target, "/v2/hub") && resp.Header.Get("Set-Cookie") != "" {
				t.Error("a cookie came, which another registry would be sent")
			}
		})
	}
}

// No client is sent on, with its credentials, from one registry to another.
func TestNoAnswerLeadsToAnotherRegistry(t *testing.T) {
	s := newSeveral(t)
	for _, refers := range []string{s.first.URL + "/v2/app/blobs/" + digest, "/v2/own/app/blobs/" + digest} {
		s.team.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", refers)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
		req := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/v2/team/app/blobs/" + digest}, Header: http.Header{}}).WithContext(t.Context())
		resp, err := s.all.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: Location %s", refers, resp.Header.Get("Location"))
		}
	}
}

// What proves a client to a registry goes to that alone, and cookies, which are
// backref's to the client, to none of a route.
func TestWhatIsSentAlong(t *testing.T) {
	s := newSeveral(t)
	sent := func(r *recorder) http.Header {
		var header http.Header
		r.answer = func(_ http.ResponseWriter, req *http.Request) { header = req.Header }
		target := map[*recorder]string{s.first: "/v2/app/tags/list", s.hub: "/v2/hub/app/tags/list"}[r]
		s.send(t, http.MethodGet, target, "Authorization", "Bearer x", "Cookie", "a=b")
		return header
	}
	if got := sent(s.first); got.Get("Authorization") != "Bearer x" || got.Get("Cookie") != "a=b" {
		t.Errorf("the registry without a prefix got %v", got)
	}
	if got := sent(s.hub); got.Get("Authorization") != "Bearer x" || got.Get("Cookie") != "" {
		t.Errorf("the route's got %v", got)
	}
}

// A list of tags is of the repository that was asked for.
func TestNameInListOfTags(t *testing.T) {
	s := newSeveral(t)
	for _, c := range []struct{ body, want string }{
		{`{"name":"library/alpine","tags":["a","b"]}` + "\n", `{"name":"hub/alpine","tags":["a","b"]}` + "\n"},
		{` { "tags" : ["a"], "name" : "library\/alpine" , "x":1}`, ` { "tags" : ["a"], "name" : "hub/alpine" , "x":1}`},
		{`{"name":"other","tags":[]}`, `{"name":"other","tags":[]}`},
		{`{"tags":{"name":"library/alpine"}}`, `{"tags":{"name":"library/alpine"}}`},
		{`no JSON`, `no JSON`},
		{``, ``},
	} {
		for _, length := range []bool{true, false} {
			s.hub.answer = func(w http.ResponseWriter, _ *http.Request) {
				if length {
					w.Header().Set("Content-Length", fmt.Sprint(len(c.body)))
				} else {
					_ = http.NewResponseController(w).Flush()
				}
				_, _ = io.WriteString(w, c.body)
			}
			resp := s.send(t, http.MethodGet, "/v2/hub/alpine/tags/list")
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != c.want {
				t.Errorf("%s: %s, %v", c.body, got, err)
			}
			if length && resp.ContentLength != int64(len(c.want)) {
				t.Errorf("%s: length %d, of %d bytes", c.body, resp.ContentLength, len(c.want))
			}
		}
	}
}

// Beyond the rate of a route its requests are refused, and no others.
func TestRate(t *testing.T) {
	first, hub := newRecorder(t), newRecorder(t)
	table, err := routes.New([]routes.Route{{Key: "upstream.routes[0]", Prefix: "hub", Rate: 2, Registry: hub.registry(t)}})
	if err != nil {
		t.Fatal(err)
	}
	s := several{first: first, hub: hub, all: first.registry(t, table.Shim())}
	refused := 0
	for range 20 {
		resp := s.send(t, http.MethodGet, "/v2/hub/app/manifests/v1")
		if resp.StatusCode != http.StatusTooManyRequests {
			continue
		}
		refused++
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(body), `"TOOMANYREQUESTS"`) || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%s, %v, Retry-After %s", body, err, resp.Header.Get("Retry-After"))
		}
	}
	if refused == 0 || len(hub.seen()) != 20-refused {
		t.Errorf("%d of 20 were refused, or another number was sent", refused)
	}
	if resp := s.send(t, http.MethodGet, "/v2/app/manifests/v1"); resp.StatusCode != http.StatusOK {
		t.Errorf("a request to the other registry: %d", resp.StatusCode)
	}
}

// Routes that can't be told apart are refused by their key.
func TestRoutesThatCannotBe(t *testing.T) {
	registry := newRecorder(t).registry(t)
	for want, list := range map[string][]routes.Route{
		`b.prefix: hub is that of a too`:                {{Key: "a", Prefix: "hub"}, {Key: "b", Prefix: "hub"}},
		`a.prefix: "Hub" is not`:                        {{Key: "a", Prefix: "Hub"}},
		`a.prefix: "" is not`:                           {{Key: "a"}},
		`b.hosts: h is given twice, here and in a`:      {{Key: "a", Prefix: "x", Hosts: []string{"H"}}, {Key: "b", Prefix: "y", Hosts: []string{"h"}}},
		`b.namespaces: n is given twice, here and in a`: {{Key: "a", Prefix: "x", Namespaces: []string{"n"}}, {Key: "b", Prefix: "y", Namespaces: []string{"N"}}},
		`b.prefix: x/y is below the prefix x of a`:      {{Key: "a", Prefix: "x", Hosts: []string{"h"}}, {Key: "b", Prefix: "x/y"}},
		`a.prefix: x/y is below the prefix x of b`:      {{Key: "a", Prefix: "x/y"}, {Key: "b", Prefix: "x", Namespaces: []string{"h"}}},
	} {
		for i := range list {
			list[i].Registry = registry
		}
		if _, err := routes.New(list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// What is wrong with the registry of a route is said by the keys of that.
func TestFaultOfARoute(t *testing.T) {
	s := newSeveral(t)
	s.team.Close()
	_, err := s.all.Has(t.Context(), upstream.Credentials{}, "team/app", digest)
	if fault := s.all.FaultOf(err); fault == nil || !strings.Contains(fault.Error(), "upstream.routes[1].url") || strings.Contains(fault.Error(), "upstream.url") {
		t.Errorf("%v: %v", err, fault)
	}
	if present, err := s.all.Has(t.Context(), upstream.Credentials{}, "team/own/app", digest); !present || err != nil {
		t.Errorf("another registry: %t, %v", present, err)
	}
}

// A question goes where the registry of a route redirects to, and the rules of that
// registry count.
func TestRedirectsOfARoute(t *testing.T) {
	s := newSeveral(t)
	s.team.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved/here" {
			return
		}
		w.Header().Set("Location", "/moved/here")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	if present, err := s.all.HasBlob(t.Context(), upstream.Credentials{}, "team/app", digest); !present || err != nil {
		t.Errorf("%t, %v", present, err)
	}
	if seen := s.first.seen(); len(seen) > 0 {
		t.Errorf("the other registry was asked %v", seen)
	}
}

// The repositories of all registries are listed, each by the name that leads to it.
// A registry of a route has no question asked elsewhere end at another registry, where
// it would be asked with the credentials for that.
func TestRedirectsBetweenRegistries(t *testing.T) {
	s := newSeveral(t)
	storage := newRecorder(t)
	s.hub.answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, storage.URL+"/blob", http.StatusTemporaryRedirect)
	}
	for target, at := range map[string]*recorder{"/v2/secret/blobs/" + digest: s.first, "/v2/team/secret/blobs/" + digest: s.team} {
		storage.answer = func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.first.URL+target, http.StatusTemporaryRedirect)
		}
		has, err := s.all.HasBlob(t.Context(), upstream.CredentialsOf(http.Header{"Authorization": {"Bearer of a client"}}), "hub/app", digest)
		if has || err == nil {
			t.Errorf("%s: has the blob: %v, error %v", target, has, err)
		}
		if seen := at.seen(); len(seen) > 0 {
			t.Errorf("another registry saw %q", seen)
		}
	}
}

func TestRepositoriesOfAll(t *testing.T) {
	s := newSeveral(t)
	lists := func(names string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/_catalog" && r.URL.Query().Get("last") == "" {
				_, _ = io.WriteString(w, `{"repositories":[`+names+`]}`)
			} else {
				_, _ = io.WriteString(w, `{"repositories":[]}`)
			}
		}
	}
	s.first.answer, s.hub.answer = lists(`"app","hub/hidden"`), lists(`"library/alpine"`)
	s.team.answer, s.own.answer = lists(`"app","own/hidden"`), lists(`"app"`)
	var got []string
	for name, err := range s.all.Repositories(t.Context(), upstream.Credentials{}, 100) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if want := "app team/own/app hub/library/alpine team/app"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
