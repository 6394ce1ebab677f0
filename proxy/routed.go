package proxy

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream/routes"
)

// called is how a client names what a route has, where backref has another name for
// it. A nil one is a client that names everything as backref does.
type called struct {
	// prefix is the route's, where the client leaves it out; else empty.
	prefix string
	// namespace is the value of ns by which the client means the route.
	namespace string
	// repository is the one name that backref has for the repository of the request,
	// and name that of the client; both are empty where it is about none.
	repository, name string
}

// calledKey is the key of a [*called] in the context of a request.
type calledKey struct{}

func calledOf(r *http.Request) *called {
	c, _ := r.Context().Value(calledKey{}).(*called)
	return c
}

// routed gives what a route has the one name by which all within know it, before
// anything looks at the request: the route's prefix comes before a repository that is
// named by a host or a registry (ns) that stands for the route, and what has two names
// in its registry gets the longer one. Answers name it as the client did, by
// [called.back].
func (p *Proxy) routed(next http.Handler) http.Handler {
	if p.options.Routes == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &called{}
		c.prefix, c.namespace = p.routeMeant(r)
		if u := p.renamed(r, c); u != nil {
			r = r.WithContext(context.WithValue(r.Context(), calledKey{}, c))
			r.URL = u
		}
		next.ServeHTTP(w, r)
	})
}

// routeMeant returns the prefix of the route that a request means by the name of a
// registry, and that name, or by the host that it came by; empty where by neither.
func (p *Proxy) routeMeant(r *http.Request) (prefix, namespace string) {
	if mayName(r.URL.RawQuery) {
		name, known := p.namespaceOf(r)
		if prefix, found := p.options.Routes.ByNamespace(name); found {
			return prefix, name
		}
		if known {
			// It means the upstream, whatever host it came by.
			return "", ""
		}
	}
	_, host := p.clientBase(r)
	prefix, _ = p.options.Routes.ByHost(host)
	return prefix, ""
}

// namespaceOf returns the name of a registry that a query gives, once or several times
// the same, and whether the upstream goes by it.
func (p *Proxy) namespaceOf(r *http.Request) (name string, known bool) {
	values, err := answer.Parameters(r)
	if err != nil || !values.Has(registry.ParamNamespace) {
		return "", false
	}
	for _, given := range values[registry.ParamNamespace] {
		if given != values.Get(registry.ParamNamespace) {
			return "", false
		}
	}
	name = values.Get(registry.ParamNamespace)
	return name, p.namespaces[strings.ToLower(name)]
}

// renamed returns the URL that a request has within; nil where that is its own. What
// can't be read is refused there as it came.
func (p *Proxy) renamed(r *http.Request, c *called) *url.URL {
	target, err := parsePath(r.URL)
	if err != nil {
		return nil
	}
	if target.repository == "" {
		return p.throughPassage(r, c, target)
	}
	c.name, c.repository = target.repository, target.repository
	if c.prefix != "" {
		c.repository = c.prefix + "/" + target.repository
	}
	c.repository = p.options.Routes.Canonical(c.repository)
	u := *r.URL
	u.RawQuery = c.withoutNamespace(r.URL.RawQuery)
	if target.endpoint == endpointUploads && r.Method == http.MethodPost {
		u.RawQuery = p.renameFrom(u.RawQuery, c.prefix)
	}
	if c.repository == c.name && u.RawQuery == r.URL.RawQuery {
		return nil
	}
	replaceRepository(&u, target.repository, c.repository)
	return &u
}

// throughPassage returns the URL of what a route's registry has beside repositories,
// for a client that means the route.
func (p *Proxy) throughPassage(r *http.Request, c *called, target path) *url.URL {
	if c.prefix == "" || target.endpoint == endpointToken && p.options.RewriteRealm {
		return nil
	}
	u := routes.Passage(c.prefix, r.URL)
	u.RawQuery = c.withoutNamespace(r.URL.RawQuery)
	return u
}

// replaceRepository puts another repository into a path of one.
func replaceRepository(u *url.URL, from, to string) {
	count := strings.Count(from, "/") + 1
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	rest := strings.Join(parts[1+count:], "/")
	decoded, err := url.PathUnescape(rest)
	if err != nil {
		return // It was read before.
	}
	u.Path, u.RawPath = "/v2/"+to+"/"+decoded, "/v2/"+to+"/"+rest
}

// withoutNamespace takes the name out of a query by which the client means the route.
func (c *called) withoutNamespace(query string) string {
	if c.namespace == "" {
		return query
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return query
	}
	values.Del(registry.ParamNamespace)
	return values.Encode()
}

// renameFrom names the repository that a blob is to be taken over from as backref
// does.
func (p *Proxy) renameFrom(query, prefix string) string {
	values, err := url.ParseQuery(query)
	if err != nil || len(values["from"]) == 0 {
		return query
	}
	changed := false
	for i, from := range values["from"] {
		if !oci.ValidRepository(from) {
			continue
		}
		named := from
		if prefix != "" {
			named = prefix + "/" + from
		}
		values["from"][i] = p.options.Routes.Canonical(named)
		changed = changed || values["from"][i] != from
	}
	if !changed {
		return query
	}
	return values.Encode()
}

// back returns a path of backref's as the client names it. What the client has no
// name for stays.
func (c *called) back(u *url.URL) *url.URL {
	if c == nil {
		return u
	}
	named := *u
	target, err := parsePath(u)
	through := routes.Passage(c.prefix, &url.URL{Path: "/"}).Path
	switch {
	case err != nil:
		return u
	case target.repository != "" && target.repository == c.repository:
		replaceRepository(&named, target.repository, c.name)
	case c.prefix != "" && strings.HasPrefix(target.repository, c.prefix+"/"):
		replaceRepository(&named, target.repository, strings.TrimPrefix(target.repository, c.prefix+"/"))
	case c.prefix != "" && target.passage && strings.HasPrefix(u.EscapedPath(), through):
		named.Path, named.RawPath = "/"+strings.TrimPrefix(u.Path, through), "/"+strings.TrimPrefix(u.EscapedPath(), through)
	default:
		return u
	}
	if c.namespace != "" {
		if named.RawQuery != "" {
			named.RawQuery += "&"
		}
		named.RawQuery += registry.ParamNamespace + "=" + url.QueryEscape(c.namespace)
	}
	return &named
}

// renameTags has a list of tags name the repository as the client does.
func (p *Proxy) renameTags(r *http.Request, resp *http.Response, target path) {
	if c := entryOf(r).called; c != nil && resp.StatusCode == http.StatusOK {
		routes.Rename(r.Method, resp, target.repository, c.name)
	}
}
