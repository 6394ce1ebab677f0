package probe

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// tried is how many repositories are looked at for one that has a tag.
const tried = 5

// askCatalog asks which repositories there are.
func (p *probe) askCatalog(ctx context.Context) exchange {
	return p.ask(ctx, "", question{method: http.MethodGet, url: &url.URL{Path: "/v2/_catalog", RawQuery: "n=" + strconv.Itoa(tried)}})
}

// repositories reads a page of the catalog.
func (e exchange) repositories() (names []string, ok bool) {
	var page struct {
		Repositories json.RawMessage `json:"repositories"`
	}
	// A null, which encoders of Go make of an empty list, is one.
	if !e.decode(&page) || json.Unmarshal(page.Repositories, &names) != nil {
		return nil, false
	}
	return names, true
}

// checkCatalog tells whether the registry lists its repositories.
func (p *probe) checkCatalog(context.Context) Finding {
	_, ok := p.listed.repositories()
	switch {
	case ok:
		return p.listed.yes("")
	case p.listed.unclear() != "":
		return p.listed.odd()
	case p.listed.status == http.StatusNotFound || p.listed.status == http.StatusMethodNotAllowed || p.listed.status == http.StatusNotImplemented:
		return p.listed.no("")
	case p.listed.status == http.StatusOK && p.listed.whole():
		return p.listed.unknown("the answer is no list of repositories")
	default:
		return p.listed.odd()
	}
}
