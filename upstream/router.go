package upstream

import (
	"context"
	"iter"
	"net/url"
)

// Router is a [Sender] that has further registries behind it, each for the
// repositories below a prefix. A [Shim] that returns one goes around all others:
// where a registry's own rules count, such as for what it redirects to, the one is
// asked that a request goes to.
type Router interface {
	Sender
	// Behind returns the registry that a request goes to, by the path of its URL; nil
	// where that is the one without the router.
	Behind(u *url.URL) *Registry
	// Catalogs returns where the further registries list their repositories, in the
	// order of their prefixes.
	Catalogs() []Catalog
}

// Catalog is where a further registry lists its repositories.
type Catalog struct {
	// Path is that of the list, as the router takes it.
	Path string
	// Prefix comes before the names in it, with a slash between.
	Prefix string
	// Registry is the one that has it.
	Registry *Registry
}

// behind returns the registry that a request goes to.
func (r *Registry) behind(u *url.URL) *Registry {
	if router, is := r.sender.(Router); is {
		if to := router.Behind(u); to != nil {
			return to
		}
	}
	return r
}

// behindRepository returns the registry that has a repository.
func (r *Registry) behindRepository(repository string) *Registry {
	return r.behind(&url.URL{Path: "/v2/" + repository + "/tags/list"})
}

// catalogs returns where the repositories of all registries are listed, the one
// without a prefix first.
func (r *Registry) catalogs() []Catalog {
	all := []Catalog{{Path: catalogPath, Registry: r}}
	if router, is := r.sender.(Router); is {
		all = append(all, router.Catalogs()...)
	}
	return all
}

// catalogPath is that of the list of repositories.
const catalogPath = "/v2/_catalog"

// list returns the repositories of a catalog behind a name, as clients name them,
// without those that another registry has by that name.
func (r *Registry) list(ctx context.Context, as Credentials, of Catalog, last string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range r.listed(ctx, as, of.Path, last) {
			if err == nil && of.Prefix != "" {
				name = of.Prefix + "/" + name
			}
			if err == nil && r.behindRepository(name) != of.Registry {
				continue
			}
			if !yield(name, err) {
				return
			}
		}
	}
}

// RouteError is a failure at a further registry of a [Router].
type RouteError struct {
	// Key is the section of the configuration that describes the registry.
	Key string
	Err error
}

// Error implements error.
func (e *RouteError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the failure.
func (e *RouteError) Unwrap() error { return e.Err }
