package routes

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Shim returns what sends requests to the registries of the routes, and those that
// are of none to the registry that it is around. It goes around all other shims.
func (t *Table) Shim() upstream.Shim {
	return func(without *upstream.Registry) upstream.Sender { return &sender{t, without} }
}

// sender is the way to all registries.
type sender struct {
	table   *Table
	without *upstream.Registry
}

var _ upstream.Router = (*sender)(nil)

// Behind implements [upstream.Router].
func (s *sender) Behind(u *url.URL) *upstream.Registry {
	p, _ := s.table.find(u)
	if p == nil {
		return nil
	}
	return p.route.Registry
}

// Catalogs implements [upstream.Router].
func (s *sender) Catalogs() []upstream.Catalog {
	var all []upstream.Catalog
	for _, r := range s.table.routes {
		all = append(all, upstream.Catalog{
			Path: Passage(r.Prefix, &url.URL{Path: "/" + api + "/_catalog"}).Path, Prefix: r.Prefix, Registry: r.Registry,
		})
	}
	return all
}

// Send implements [upstream.Sender].
func (s *sender) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	p, shut := s.table.find(req.URL)
	switch {
	case shut:
		return refusal(req, http.StatusNotFound, oci.CodeUnsupported, "there is nothing at this address of the proxy"), nil
	case p == nil:
		s.table.mount(nil, req.URL)
		return s.without.Send(as, req)
	}
	if wait := p.route.wait(); wait > 0 {
		return tooMany(req, wait), nil
	}
	s.table.mount(p.route, p.at)
	resp, err := p.route.Registry.Send(p.credentials(as), p.request(req))
	if err != nil {
		return nil, &upstream.RouteError{Key: p.route.Key, Err: err}
	}
	if err := s.translate(p, req, resp); err != nil {
		_ = resp.Body.Close()
		return nil, &upstream.RouteError{Key: p.route.Key, Err: err}
	}
	return resp, nil
}

// credentials returns those for the registry of a route.
func (p *place) credentials(as upstream.Credentials) upstream.Credentials {
	if p.asked != "" {
		as = as.For(p.asked)
	} else if about := as.About(); about != "" {
		// What is reached by a passage is about the repository that led there.
		if there, ok := p.route.inside(about); ok {
			as = as.For(there)
		}
	}
	return as.WithoutCookies()
}

// request returns a request as the registry of a route gets it.
func (p *place) request(req *http.Request) *http.Request {
	out := req.Clone(req.Context())
	out.URL = p.at
	delete(out.Header, "Cookie")
	if p.tags {
		// The list is read here: as it is, and whole.
		out.Header.Set("Accept-Encoding", "identity")
		delete(out.Header, "Range")
	}
	return out
}

// errElsewhere means that an answer leads to another of the registries.
var errElsewhere = errors.New("it leads to what another registry has here")

// translate has an answer of a route's registry name things as its clients do:
// in Location, Link, and the name in a list of tags.
func (s *sender) translate(p *place, req *http.Request, resp *http.Response) error {
	delete(resp.Header, "Set-Cookie")
	if locations := resp.Header["Location"]; len(locations) > 0 {
		for i, location := range locations {
			named, err := s.reach(p, location)
			if err != nil {
				return fmt.Errorf("%w: Location: %w", upstream.ErrInvalid, err)
			}
			locations[i] = named
		}
	}
	for i, link := range resp.Header["Link"] {
		var wrong error
		named, _ := oci.ReplaceTargets(link, func(target string) (string, bool) {
			named, err := s.reach(p, target)
			wrong = errors.Join(wrong, err)
			return named, named != target
		})
		if wrong != nil {
			return fmt.Errorf("%w: Link: %w", upstream.ErrInvalid, wrong)
		}
		resp.Header["Link"][i] = named
	}
	if p.tags && resp.StatusCode == http.StatusOK {
		Rename(req.Method, resp, p.asked, p.named)
	}
	return nil
}

// reach returns the URL by which backref has what an answer of a route's registry
// refers to, if that is at the registry; else the reference as it is.
func (s *sender) reach(p *place, reference string) (string, error) {
	u, err := url.Parse(reference)
	if err != nil || u.Opaque != "" {
		return reference, nil //nolint:nilerr // It means nothing here.
	}
	at, there := p.route.Registry.ClientPath(u)
	if !there {
		if u.Scheme != "" || u.Host != "" {
			if _, here := s.without.ClientPath(u); here {
				return "", errElsewhere
			}
			return reference, nil
		}
		at = (&url.URL{Path: p.at.Path, RawPath: p.at.RawPath}).ResolveReference(u)
	}
	named, ok := p.back(at)
	if !ok {
		return "", errElsewhere
	}
	if to, shut := s.table.find(named); shut || to == nil || to.route != p.route {
		return "", errElsewhere
	}
	return s.without.URL(named).String(), nil
}
