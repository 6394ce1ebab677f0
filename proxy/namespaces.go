package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
)

// maxNamespace bounds such a name; those of hosts are shorter.
const maxNamespace = 255

// namespaces are the names, in lower case, that the upstream is known to go by.
// The index and all that is remembered of a repository is what the upstream
// says to those who give no name, or one of these.
//
// Of another name nobody knows what the upstream makes of it: most registries
// ignore it, and a cache of several keeps each apart. So nothing that was
// learnt of the upstream is believed of that name, and nothing that is learnt
// under the name is believed of the upstream; each is asked. That is cheap
// where it counts: a manifest is what its digest says under any name, so of
// what the index knows only that it is there has to be asked.
type namespaces map[string]bool

func newNamespaces(at *url.URL, names []string) namespaces {
	known := namespaces{strings.ToLower(at.Host): true}
	for _, name := range names {
		known[strings.ToLower(name)] = true
	}
	return known
}

// named adds the registry that a request is about to its path. Requests that
// only pass through take it along with their query.
func (p *Proxy) named(r *http.Request, target path) (path, error) {
	if !p.endpoints[target.endpoint].named || !mayName(r.URL.RawQuery) {
		return target, nil
	}
	values, err := answer.Parameters(r)
	if err != nil {
		return target, err
	}
	name, err := answer.Once(values, registry.ParamNamespace)
	if err != nil || name == "" {
		return target, err
	}
	if len(name) > maxNamespace {
		return target, &index.QueryError{Param: registry.ParamNamespace, Reason: "need the name of a registry, 255 bytes at most"}
	}
	target.namespace, target.foreign = name, !p.namespaces[strings.ToLower(name)]
	if target.foreign && slices.Contains(extensionEndpoints(), target.endpoint) {
		return target, &index.QueryError{
			Param: registry.ParamNamespace, Reason: "this proxy doesn't know whether the registry behind it goes by that name; leave it out, or have the operator add it to upstream.namespaces",
		}
	}
	entryOf(r).path = target
	return target, nil
}

// mayName tells whether a query may name a registry, to any reader. It takes no
// memory.
func mayName(query string) bool {
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name == registry.ParamNamespace || strings.ContainsAny(name, "%+") || strings.Contains(part, ";") {
			return true
		}
	}
	return false
}
