package ui

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/backref/backref/client"
)

// newsPage is what became known lately in a repository.
type newsPage struct {
	Repository string `json:"repository"`
	Type       string `json:"type,omitempty"`
	// Off says that the operator has no news kept.
	Off  bool      `json:"off,omitempty"`
	News []newsRow `json:"news"`
	Next string    `json:"next,omitempty"`
	// Types are those that are known by name, to choose from.
	Types []string `json:"-"`
	// Feed is the address of the same as a feed.
	Feed string `json:"feed,omitempty"`
}

// newsRow is a referrer that became known.
type newsRow struct {
	Kind string `json:"kind"`
	client.News
}

// PageTitle implements titled.
func (p *newsPage) PageTitle() string { return "News of " + p.Repository }

// newsPage shows the latest referrers.
func (v *visit) newsPage() (any, error) {
	asked := v.request.URL.Query()
	page := &newsPage{Repository: v.name, Type: strings.TrimSpace(asked.Get("type")), News: []newsRow{}, Types: client.KnownTypes()}
	news, next, err := v.repo.NewsWindow(v.request.Context(), page.Type, client.Window{Limit: perPage, After: asked.Get("after")})
	if status, answered := client.StatusOf(err); answered && status == http.StatusNotFound && v.readable() {
		page.Off = true
		return page, nil
	}
	if err != nil {
		return nil, err
	}
	for _, n := range news {
		page.News = append(page.News, newsRow{client.Describe(n.Descriptor), n})
	}
	page.Next = nextPage(asked, next)
	page.Feed = v.base() + address("r", v.name, "-", "feed")
	if page.Type != "" {
		page.Feed += "?" + url.Values{"artifactType": {page.Type}}.Encode()
	}
	return page, nil
}

// readable tells whether the viewer can read in the repository: an answer that there
// are no news says nothing of that.
func (v *visit) readable() bool {
	_, _, err := v.repo.TagWindow(v.request.Context(), "name", client.Window{Limit: 1})
	return err == nil
}

// maxFeed bounds a feed, in bytes.
const maxFeed = 8 << 20

// feed serves the feed of a repository, as the extension has it.
func (v *visit) feed(w http.ResponseWriter) error {
	body, mediaType, err := v.repo.Feed(v.request.Context(), v.request.URL.Query(), maxFeed)
	if err != nil {
		return err
	}
	// What its entries refer to is below the registry, not below the page.
	base := "//" + v.place.Host + v.place.Prefix + "/v2/" + v.name + "/_backref/notices/feed"
	const root = `<feed xmlns="http://www.w3.org/2005/Atom"`
	body = bytes.Replace(body, []byte(root), []byte(root+` xml:base="`+template.HTMLEscapeString(base)+`"`), 1)
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(body)
	return nil
}
