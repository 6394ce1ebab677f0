package ui

import (
	"net/url"
	"strings"

	"github.com/backref/backref/oci"
)

// perPage is how many rows a page has.
const perPage = 50

// maxSearched is how many repositories one search looks at.
const maxSearched = 20_000

// repositoriesPage is the list of repositories.
type repositoriesPage struct {
	// Search is what the names shown have in them.
	Search       string   `json:"search,omitempty"`
	Repositories []string `json:"repositories"`
	// Next is the address of the next page; empty at the end.
	Next string `json:"next,omitempty"`
	// Searched says that the search ended before the list did.
	Cut bool `json:"cut,omitempty"`
}

// PageTitle implements titled.
func (repositoriesPage) PageTitle() string { return "Repositories" }

// repositories shows the repositories that the registry lists to the viewer.
func (v *visit) repositories() (any, error) {
	query := v.request.URL.Query()
	page := repositoriesPage{Search: strings.TrimSpace(query.Get("q")), Repositories: []string{}}
	searched, last, more := 0, "", false
	err := v.client.Repositories(v.request.Context(), v.place.Host, query.Get("after"), func(name string) bool {
		if !oci.ValidRepository(name) {
			return true
		}
		if searched++; searched > maxSearched {
			page.Cut = true
			return false
		}
		if !strings.Contains(name, strings.ToLower(page.Search)) {
			return true
		}
		if len(page.Repositories) == perPage {
			more = true
			return false
		}
		page.Repositories, last = append(page.Repositories, name), name
		return true
	})
	if err != nil {
		return nil, err
	}
	if more {
		next := url.Values{"after": {last}}
		if page.Search != "" {
			next.Set("q", page.Search)
		}
		page.Next = "?" + next.Encode()
	}
	return page, nil
}
