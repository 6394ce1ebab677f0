package routes

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Route is a registry that has the repositories below a prefix.
type Route struct {
	// Key is the section of the configuration that describes the route. Errors name it.
	Key string
	// Prefix is what the repositories begin with, as clients name them.
	Prefix string
	// Hosts are the names by which clients reach backref, without a port, that stand
	// for the route: what they name there has no prefix.
	Hosts []string
	// Namespaces are the names of registries that stand for the route where a client
	// of a mirror gives one (ns).
	Namespaces []string
	// Library has a repository of one part asked for as library/<name>.
	Library bool
	// Rate is how many requests a second the registry is sent; 0 for no bound.
	Rate int
	// Registry is where the repositories are.
	Registry *upstream.Registry
}

// route is a [Route] as requests need it.
type route struct {
	Route

	// parts are those of the prefix.
	parts []string
	// limiter is nil where there is no bound.
	limiter *rate.Limiter
}

// Table is what routes there are. It never changes, and may be used concurrently.
type Table struct {
	// routes are sorted so that the first one that fits is the nearest.
	routes      []*route
	byHost      map[string]*route
	byNamespace map[string]*route
}

// New returns the table of routes. It fails where one of them can't be told from the
// others; the error names its key.
func New(list []Route) (*Table, error) {
	t := &Table{byHost: map[string]*route{}, byNamespace: map[string]*route{}}
	for _, given := range list {
		r := &route{Route: given, parts: strings.Split(given.Prefix, "/")}
		if given.Rate > 0 {
			r.limiter = rate.NewLimiter(rate.Limit(given.Rate), given.Rate)
		}
		if given.Registry == nil {
			return nil, errors.New(given.Key + ": has no registry")
		}
		if err := t.add(r); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(t.routes, func(a, b *route) int {
		return cmp.Or(cmp.Compare(len(b.parts), len(a.parts)), strings.Compare(a.Prefix, b.Prefix))
	})
	return t, nil
}

// add makes sure that each name means one route.
func (t *Table) add(r *route) error {
	if !oci.ValidRepository(r.Prefix) {
		return fmt.Errorf("%s.prefix: %q is not the beginning of a repository's name", r.Key, r.Prefix)
	}
	for _, other := range t.routes {
		if r.Prefix == other.Prefix {
			return fmt.Errorf("%s.prefix: %s is that of %s too", r.Key, r.Prefix, other.Key)
		}
		for _, pair := range [][2]*route{{r, other}, {other, r}} {
			if inner, outer := pair[0], pair[1]; strings.HasPrefix(inner.Prefix, outer.Prefix+"/") && len(outer.Hosts)+len(outer.Namespaces) > 0 {
				return fmt.Errorf("%s.prefix: %s is below the prefix %s of %s, which has hosts or namespaces: what is named there would be of two registries", inner.Key, inner.Prefix, outer.Prefix, outer.Key)
			}
		}
	}
	t.routes = append(t.routes, r)
	if err := r.name("hosts", r.Hosts, t.byHost); err != nil {
		return err
	}
	return r.name("namespaces", r.Namespaces, t.byNamespace)
}

// name notes names of the route, which key lists, among those that are known.
func (r *route) name(key string, names []string, known map[string]*route) error {
	for _, name := range names {
		name = strings.ToLower(name)
		if other := known[name]; other != nil {
			return fmt.Errorf("%s.%s: %s is given twice, here and in %s", r.Key, key, name, other.Key)
		}
		known[name] = r
	}
	return nil
}

// ByHost returns the prefix of the route that a host stands for, with or without a
// port.
func (t *Table) ByHost(host string) (prefix string, found bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return prefixOf(t.byHost[strings.ToLower(strings.Trim(host, "[]"))])
}

// ByNamespace returns the prefix of the route that the name of a registry stands for.
func (t *Table) ByNamespace(name string) (prefix string, found bool) {
	return prefixOf(t.byNamespace[strings.ToLower(name)])
}

func prefixOf(r *route) (prefix string, found bool) {
	if r == nil {
		return "", false
	}
	return r.Prefix, true
}

// Canonical returns the one name of a repository among those by which clients reach
// it: with library/ where its registry has it there. Of other repositories that is
// the name itself.
func (t *Table) Canonical(repository string) string {
	parts := strings.Split(repository, "/")
	r := t.above(parts)
	if r == nil || !r.Library || len(parts) != len(r.parts)+1 {
		return repository
	}
	return r.Prefix + "/" + library + "/" + parts[len(r.parts)]
}

// library is where Docker Hub has repositories of one part.
const library = "library"

// above returns the route with the longest prefix that parts are below; nil where
// there is none.
func (t *Table) above(parts []string) *route {
	for _, r := range t.routes {
		if len(parts) > len(r.parts) && slices.Equal(parts[:len(r.parts)], r.parts) {
			return r
		}
	}
	return nil
}

// Registry returns the registry of the route that a key describes; nil for no such.
func (t *Table) Registry(key string) *upstream.Registry {
	for _, r := range t.routes {
		if r.Key == key {
			return r.Registry
		}
	}
	return nil
}

// Close closes the idle connections to all registries. A nil table has none.
func (t *Table) Close() {
	if t == nil {
		return
	}
	for _, r := range t.routes {
		r.Registry.Close()
	}
}
