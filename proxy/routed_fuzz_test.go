package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/routes"
)

// The door and the way to the registries agree on what a path is about, and a client
// finds by its own names what it was led to.
func FuzzRouted(f *testing.F) {
	for _, target := range []string{
		"/v2/hub/a/manifests/v1", "/v2/a/manifests/v1", "/v2/hub/manifests/v1", "/v2/%68ub/a/tags/list?ns=docker.io", "/v2/a/b/blobs/uploads/?from=x&mount=y",
		"/upload/1?x=y", "/_backref/routes/hub/upload/1", "/v2/hub/a/_oci/ext/discover", "/v2/a/_backref/graph/tree", "/v2/", "/_backref/token", "/v2/library/a/tags/list",
	} {
		f.Add(target, "")
		f.Add(target, "hub.example")
	}
	registry := func() *upstream.Registry {
		r, err := upstream.New(upstream.Options{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}})
		if err != nil {
			f.Fatal(err)
		}
		return r
	}
	hub := registry()
	table, err := routes.New([]routes.Route{{Key: "a", Prefix: "hub", Hosts: []string{"hub.example"}, Namespaces: []string{"docker.io"}, Library: true, Registry: hub}})
	if err != nil {
		f.Fatal(err)
	}
	router, _ := table.Shim()(registry()).(upstream.Router)
	p := &Proxy{options: Options{Routes: table}}
	f.Fuzz(func(t *testing.T, target, host string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || u.Scheme != "" {
			return
		}
		given, err := parsePath(u)
		if err != nil {
			return
		}
		r := &http.Request{Method: http.MethodPost, URL: u, Host: host, Header: http.Header{}}
		c := &called{}
		c.prefix, c.namespace = p.routeMeant(r)
		within := p.renamed(r, c)
		if within == nil {
			within, c = u, nil
		}
		known, err := parsePath(within)
		if err != nil {
			return
		}
		// At a host of a route the registry's own address of that name is meant.
		if known.endpoint != given.endpoint && given.endpoint != endpointToken {
			t.Errorf("%q at %q is %s, and %s within", target, host, given.endpoint, known.endpoint)
		}
		to := router.Behind(within)
		if of := strings.HasPrefix(known.repository, "hub/"); known.repository != "" && of != (to == hub) {
			t.Errorf("%q at %q: %s, to the route %t", target, host, known.repository, to == hub)
		}
		if c != nil && c.prefix != "" && to != hub {
			t.Errorf("%q at %q: means the route, and goes elsewhere as %s", target, host, within)
		}
		if again := c.back(within); again.Path != u.Path {
			t.Errorf("%q at %q: %q within, %q to the client", target, host, within.Path, again.Path)
		}
	})
}
