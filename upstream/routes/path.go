package routes

import (
	"net/url"
	"slices"
	"strings"
)

// Paths of a route come in two forms. Those of a repository have the prefix before its
// name: /v2/<prefix>/<name>/…. What a registry has beside repositories, such as an
// upload at an address of its own making, is reached by a passage:
// /_backref/routes/<prefix>/…, in which the parts of the prefix are joined by colons,
// so that it is one part of the path.
const (
	api         = "v2"
	ours        = "_backref"
	passages    = "routes"
	passagePart = 3 // where the path of the registry begins
)

// split is a path by its parts: decoded to be compared, and as they were written.
type split struct {
	parts, written []string
}

// splitPath splits an absolute path; ok is false for any other.
func splitPath(u *url.URL) (s split, ok bool) {
	path, absolute := strings.CutPrefix(u.EscapedPath(), "/")
	if !absolute {
		return split{}, false
	}
	s.written = strings.Split(path, "/")
	s.parts = make([]string, len(s.written))
	for i, part := range s.written {
		decoded, err := url.PathUnescape(part)
		if err != nil {
			return split{}, false
		}
		s.parts[i] = decoded
	}
	return s, true
}

// pathOf returns a URL with the path of parts as they were written, and the rest of
// another.
func pathOf(of *url.URL, written ...string) (*url.URL, bool) {
	escaped := "/" + strings.Join(written, "/")
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, false
	}
	next := *of
	next.Scheme, next.Host, next.User = "", "", nil
	next.Path, next.RawPath = path, escaped
	return &next, true
}

// repository returns how many parts behind /v2/ are the name of a repository; 0 where
// the path is of none. The last parts decide, as at the door.
func (s split) repository() int {
	if len(s.parts) == 0 || s.parts[0] != api {
		return 0
	}
	rest := s.parts[1:]
	for _, form := range [][]string{
		{"_oci", "ext", "discover"}, {ours, "", ""}, {"manifests", ""}, {"referrers", ""}, {"tags", "list"},
		{"blobs", "uploads", ""}, {"blobs", "uploads"}, {"blobs", ""},
	} {
		if name := len(rest) - len(form); name > 0 && matches(rest[name:], form) {
			return name
		}
	}
	return 0
}

// matches tells whether parts are of a form, in which an empty one stands for any.
func matches(parts, form []string) bool {
	for i, word := range form {
		if word != "" && parts[i] != word {
			return false
		}
	}
	return true
}

// Passage returns the path by which a client reaches what the registry of a route has
// at a path of its own that is of no repository.
func Passage(prefix string, path *url.URL) *url.URL {
	s, ok := splitPath(path)
	if !ok {
		return path
	}
	through, ok := pathOf(path, append([]string{ours, passages, passageName(prefix)}, s.written...)...)
	if !ok {
		return path
	}
	return through
}

func passageName(prefix string) string { return strings.ReplaceAll(prefix, "/", ":") }

// Through returns the parts of a path behind a passage, which are those of the path at
// the registry; ok is false where it is none.
func Through(parts []string) (rest []string, ok bool) {
	if len(parts) <= passagePart || parts[0] != ours || parts[1] != passages {
		return nil, false
	}
	return parts[passagePart:], true
}

// place is where a path leads: to the registry of a route, and to what there.
type place struct {
	route *route
	// named and asked are the repository as the path names it, and as the registry
	// does; both are empty where it is of none.
	named, asked string
	// at is the path at the registry, with the query of the URL.
	at *url.URL
	// tags says that it is the list of tags.
	tags bool
}

// find returns where a path leads; nil where not to a route. shut says that it is a
// passage that leads nowhere.
func (t *Table) find(u *url.URL) (p *place, shut bool) {
	s, ok := splitPath(u)
	if !ok {
		return nil, false
	}
	if rest, through := Through(s.parts); through {
		r := t.byPassage(s.parts[passagePart-1])
		if r == nil || !passable(rest) {
			return nil, true
		}
		at, ok := pathOf(u, s.written[passagePart:]...)
		return &place{route: r, at: at}, !ok
	}
	if s.parts[0] != api {
		return nil, false
	}
	name := s.repository()
	if name == 0 {
		return t.other(u, s)
	}
	r := t.above(s.parts[1 : 1+name])
	if r == nil {
		return nil, false
	}
	p = &place{route: r, named: strings.Join(s.parts[1:1+name], "/"), tags: s.parts[len(s.parts)-1] == "list" && s.parts[len(s.parts)-2] == "tags"}
	own := s.parts[1+len(r.parts) : 1+name]
	if r.Library && len(own) == 1 {
		own = []string{library, own[0]}
	}
	p.asked = strings.Join(own, "/")
	p.at, ok = pathOf(u, slices.Concat([]string{api}, own, s.written[1+name:])...)
	return p, !ok
}

// other finds what is below a prefix without being of a repository.
func (t *Table) other(u *url.URL, s split) (p *place, shut bool) {
	r := t.above(s.parts[1:])
	if r == nil {
		return nil, false
	}
	at, ok := pathOf(u, append([]string{api}, s.written[1+len(r.parts):]...)...)
	return &place{route: r, at: at}, !ok
}

func (t *Table) byPassage(name string) *route {
	for _, r := range t.routes {
		if passageName(r.Prefix) == name {
			return r
		}
	}
	return nil
}

// passable tells whether a path of a registry may be reached by a passage. Repositories
// may not: they would be so by another name. Nor may what a registry could take for one
// that ignores case, or a slash at the end.
func passable(parts []string) bool {
	plain := make([]string, 0, len(parts))
	for _, part := range parts {
		plain = append(plain, strings.ToLower(part))
	}
	if last := len(plain) - 1; last > 0 && plain[last] == "" {
		plain = plain[:last]
	}
	return split{parts: plain}.repository() == 0
}

// back returns the path by which a client reaches what the registry has at a path:
// the same repository by the name that the request had it by, others by the prefix.
func (p *place) back(at *url.URL) (*url.URL, bool) {
	s, ok := splitPath(at)
	if !ok {
		return nil, false
	}
	name := s.repository()
	if name == 0 {
		return Passage(p.route.Prefix, at), true
	}
	own := strings.Join(s.parts[1:1+name], "/")
	named := p.route.Prefix + "/" + own
	if own == p.asked {
		named = p.named
	}
	return pathOf(at, append([]string{api, named}, s.written[1+name:]...)...)
}
