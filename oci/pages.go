package oci

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// ErrEndless means that the pages of a list lead back to what was read.
var ErrEndless = errors.New("the pages of the list have no end")

// maxBarren is how many pages in a row may bring nothing new, as those do of a
// registry that filters a page after it has cut it.
const maxBarren = 1000

// Pages is the way through a list of names that a registry sends in pages: tags
// (distribution-spec, "Listing Tags"), or the catalog. It asks nobody itself:
// whoever does takes the page from Next, and tells what came of it by Take or
// Refused, until Next has none.
//
// A page leads to the next by its link. Where a list has none, a full page is
// asked on from its last name, since some registries cut it without saying so;
// an answer that brings nothing new is the end of it. It is not safe for
// concurrent use.
type Pages struct {
	path string
	// start is the name behind which the list is read; empty for all of it.
	start string
	// size is n of the pages that are asked for; 0 leaves it to the registry.
	size int
	next *url.URL
	// guessed says that no link led to next.
	guessed bool
	// linked says that the list has links.
	linked bool
	// cut says that the page before was exactly as large as asked for, so that
	// it may have been cut there; ignored, that it was larger.
	cut, ignored bool
	barren       int
	names        map[string]struct{}
	visited      map[string]struct{}
}

// NewPages returns the way through the list at a path.
func NewPages(path string) *Pages { return NewPagesBehind(path, "") }

// NewPagesBehind returns the way through what comes behind a name in the list at a
// path. A registry that knows no such parameter may begin before it.
func NewPagesBehind(path, name string) *Pages {
	p := &Pages{path: path, start: name, size: 1000, names: map[string]struct{}{}, visited: map[string]struct{}{}}
	p.next = p.page(name)
	return p
}

// Next returns the path and query of the page to ask for; nil at the end.
func (p *Pages) Next() *url.URL {
	return p.next
}

// page returns the page behind a name, the first where that is empty.
func (p *Pages) page(last string) *url.URL {
	query := url.Values{}
	if p.size > 0 {
		query.Set("n", strconv.Itoa(p.size))
	}
	if last != "" {
		query.Set("last", last)
	}
	return &url.URL{Path: p.path, RawQuery: query.Encode()}
}

// Refused takes note that the registry answered the page with an error of that
// status. It tells whether to go on all the same, with a smaller page (CNCF
// Distribution refuses an n above its maximum) or at the end of the list; else
// the error is the caller's.
func (p *Pages) Refused(status int) bool {
	if status < http.StatusBadRequest || status >= http.StatusInternalServerError {
		return false
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	switch {
	case p.guessed && p.ignored:
		// It knows neither n nor last, and had sent all.
		p.next = nil
		return true
	case len(p.visited) > 0 || p.size == 0:
		return false
	}
	p.size = map[int]int{1000: 100, 100: 10}[p.size]
	p.next = p.page(p.start)
	return true
}

// Take takes the names of the page, and what its link leads to, if it has one.
// It returns those names that are new. Error: [ErrEndless].
func (p *Pages) Take(names []string, link *url.URL) ([]string, error) {
	p.visited[p.next.String()] = struct{}{}
	fresh := p.fresh(names)
	p.linked = p.linked || link != nil
	if link != nil {
		p.next, p.guessed = link, false
		return fresh, p.moves(names, fresh)
	}
	p.guess(names, fresh)
	return fresh, nil
}

// fresh returns the names that did not come before.
func (p *Pages) fresh(names []string) []string {
	fresh := make([]string, 0, len(names))
	for _, name := range names {
		if _, known := p.names[name]; !known {
			p.names[name] = struct{}{}
			fresh = append(fresh, name)
		}
	}
	return fresh
}

// moves makes sure that a link leads on.
func (p *Pages) moves(names, fresh []string) error {
	if p.barren++; len(fresh) > 0 {
		p.barren = 0
	}
	_, before := p.visited[p.next.String()]
	switch {
	case before:
		return fmt.Errorf("%w: they go in a circle, %s comes a second time", ErrEndless, p.next)
	case len(fresh) == 0 && len(names) > 0:
		return fmt.Errorf("%w: they go in a circle, before %s nothing new came", ErrEndless, p.next)
	case p.barren > maxBarren:
		return fmt.Errorf("%w: %d pages without a name", ErrEndless, p.barren)
	default:
		return nil
	}
}

// guess says what to ask for behind a page that has no link.
func (p *Pages) guess(names, fresh []string) {
	repeats, whole := p.guessed && len(fresh) == 0, p.guessed && p.size == 0
	switch {
	case p.linked || len(names) == 0 || whole && repeats:
		p.next = nil
	case repeats && p.cut:
		// Either that was the end, or last means nothing here: then only a page
		// without bounds has the rest.
		p.size, p.cut, p.ignored = 0, false, false
		p.next = p.page(p.start)
	case repeats, len(names) < p.size:
		p.next = nil
	default:
		p.cut, p.ignored = len(names) == p.size, len(names) > p.size
		p.next = p.page(names[len(names)-1])
	}
	p.guessed = true
}
