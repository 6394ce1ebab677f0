package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// UpstreamRoute is a further registry, which has the repositories below a prefix.
type UpstreamRoute struct {
	Prefix     string                `key:"prefix" doc:"What the repositories of the route begin with, as clients name them, such as dockerhub. Of several that fit the longest counts. What upstream.url has below it can't be reached." required:"true"`
	Hosts      []string              `key:"hosts" doc:"Names by which clients reach backref that stand for the route, without a port: what they name there has no prefix, and all else there is of that registry too."`
	Namespaces []string              `key:"namespaces" doc:"The names that the registry goes by, each a host with its port if any, such as docker.io: what a client of a mirror names with one of them (ns) has no prefix."`
	URL        *url.URL              `key:"url" doc:"Base URL of the registry, http or https, without /v2." required:"true"`
	Service    UpstreamService       `key:"service" doc:"Who backref is to this registry, as upstream.service is for upstream.url."`
	TLS        UpstreamTLS           `key:"tls" doc:"How TLS is spoken to this registry, as upstream.tls is for upstream.url."`
	Timeouts   UpstreamRouteTimeouts `key:"timeouts" doc:"How long each phase of a request to this registry may take. What is not given is that of upstream.timeouts."`
	Shims      []string              `key:"shims" doc:"What is made up for at this registry, by the keys of upstream.shims, whatever is said there; none for nothing. Without any it is what upstream.shims says." enum:"none,ranges,locations,asked,deletes,chunks,hashes,digests,envelopes"`
	Library    bool                  `key:"library" doc:"A repository of one part is asked for as library/NAME, which is Docker Hub's rule. Rules and listings have it by that name."`
	Rate       int                   `key:"rate" doc:"The most requests a second that the registry is sent. Further ones are answered by 429 with Retry-After. 0 sets no bound."`
}

// UpstreamRouteTimeouts bounds the phases of a request to a further registry.
type UpstreamRouteTimeouts struct {
	Connect        time.Duration `key:"connect" doc:"Opening a connection, TLS handshake included."`
	ResponseHeader time.Duration `key:"responseHeader" doc:"From the end of the request to the header of its response."`
	Stall          time.Duration `key:"stall" doc:"How long the registry may pause while it takes or sends a body."`
	Idle           time.Duration `key:"idle" doc:"How long an idle connection is kept."`
}

// Key returns the section of the configuration that describes a route by its place in
// the list.
func (UpstreamRoute) Key(at int) string { return fmt.Sprintf("upstream.routes[%d]", at) }

// validateRoutes checks the further registries, each for itself and beside the others.
func validateRoutes(cfg *Config, check func(path string, err error)) {
	routes := cfg.Upstream.Routes
	hosts, namespaces := map[string]string{}, map[string]string{}
	for _, name := range cfg.Upstream.Namespaces {
		namespaces[strings.ToLower(name)] = "upstream.namespaces"
	}
	if u := cfg.Upstream.URL; u != nil {
		namespaces[strings.ToLower(u.Host)] = "upstream.url"
	}
	for i, route := range routes {
		key := route.Key(i)
		check(key+".prefix", checkRoutePrefix(route, routes[:i]))
		check(key+".hosts", errors.Join(checkRouteHosts(route.Hosts), takeNames(route.Hosts, hosts, key)))
		check(key+".namespaces", errors.Join(checkNamespaces(route.Namespaces), takeNames(route.Namespaces, namespaces, key)))
		check(key+".url", checkRouteURL(route.URL))
		checkRouteBounds(key, route, check)
		validateServiceAt(key+".service", route.Service, check)
		checkUpstreamTLS(key, route.TLS, route.URL, check)
		if cfg.Auth.Mode == AuthService && !route.Service.Configured() {
			check(key+".service", errors.New("is needed in auth.mode service, to sign in to the registry with; set anonymous where it lets anyone in"))
		}
	}
}

// takeNames makes sure that names are of one registry alone. taken has the section of
// each that is known.
func takeNames(names []string, taken map[string]string, key string) error {
	for _, name := range names {
		name = strings.ToLower(name)
		if other := taken[name]; other != "" {
			return fmt.Errorf("%s is a name of %s too", name, other)
		}
		taken[name] = key
	}
	return nil
}

// checkRoutePrefix makes sure that a prefix can begin the names of repositories, and
// that it is always clear to which of two routes one belongs.
func checkRoutePrefix(route UpstreamRoute, before []UpstreamRoute) error {
	component := `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
	if grammar := regexp.MustCompile(`^` + component + `(/` + component + `)*$`); !grammar.MatchString(route.Prefix) {
		return fmt.Errorf("%q can't begin the name of a repository: need lower case letters and digits, parts joined by slashes", route.Prefix)
	}
	named := func(r UpstreamRoute) bool { return len(r.Hosts)+len(r.Namespaces) > 0 }
	for i, other := range before {
		switch {
		case route.Prefix == other.Prefix:
			return fmt.Errorf("%s is that of %s too", route.Prefix, other.Key(i))
		case strings.HasPrefix(route.Prefix, other.Prefix+"/") && named(other), strings.HasPrefix(other.Prefix, route.Prefix+"/") && named(route):
			return fmt.Errorf("%s and %s of %s are one below the other, and the upper one has hosts or namespaces: what is named there would be of two registries", route.Prefix, other.Prefix, other.Key(i))
		}
	}
	return nil
}

// checkRouteHosts makes sure that hosts can be told by what a request says.
func checkRouteHosts(names []string) error {
	for _, name := range names {
		if u, err := url.Parse("//" + name); err != nil || name == "" || u.Host != name || u.Port() != "" || strings.Trim(name, "[]") != u.Hostname() {
			return fmt.Errorf("%q is not the name of a host without a port, such as dockerhub.example.com", name)
		}
	}
	return nil
}

func checkRouteURL(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("is required")
	case path.Base(u.Path) == "v2":
		return errors.New("must not end in /v2: it is added to every request")
	}
	return nil
}

func checkRouteBounds(key string, route UpstreamRoute, check func(path string, err error)) {
	if route.Rate < 0 {
		check(key+".rate", errors.New("must not be negative"))
	}
	for _, timeout := range []time.Duration{route.Timeouts.Connect, route.Timeouts.ResponseHeader, route.Timeouts.Stall, route.Timeouts.Idle} {
		if timeout < 0 || timeout > maxDuration || timeout > 0 && timeout < minDuration {
			check(key+".timeouts", fmt.Errorf("%s is not between a millisecond and a year", timeout))
		}
	}
}
