package ui

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
)

// The bounds of a list of tags.
const (
	// searchedAtOnce is how many tags are read in one step of a search.
	searchedAtOnce = 500
	// searchedSteps is how many steps a search has at most.
	searchedSteps = 20
	// detailTime is how long a page waits to say more about its rows than the list
	// does.
	detailTime = 3 * time.Second
	// atOnce is how many questions a page asks at the same time.
	atOnce = 8
)

// orderOfTags is an order that tags can be listed in.
type orderOfTags struct{ Value, Title string }

// ordersOfTags are all orders, the usual one first.
func ordersOfTags() []orderOfTags {
	return []orderOfTags{
		{"-created", "newest first"}, {"created", "oldest first"},
		{"-version", "highest version first"}, {"version", "lowest version first"},
		{"name", "name, from A"}, {"-name", "name, from Z"},
	}
}

// tagsPage is a repository: its tags.
type tagsPage struct {
	Repository string `json:"repository"`
	// Search is what the tags that are shown have in them, or their digests begin with.
	Search string `json:"search,omitempty"`
	Sort   string `json:"sort"`
	Tags   []tag  `json:"tags"`
	// Unsorted says that there are more tags than are looked up: they are listed by
	// name alone, in the registry's order.
	Unsorted bool `json:"unsorted,omitempty"`
	// Cut says that a search ended before the list did.
	Cut bool `json:"cut,omitempty"`
	// Next is the address of the next page; empty at the end.
	Next   string        `json:"next,omitempty"`
	Orders []orderOfTags `json:"-"`
}

// tag is a row of the list.
type tag struct {
	Name    string        `json:"tag"`
	Digest  digest.Digest `json:"digest,omitempty"`
	Kind    string        `json:"kind,omitempty"`
	Created *time.Time    `json:"created,omitempty"`
	Version string        `json:"version,omitempty"`
	// ContentSize is that of the blobs of an image in bytes, 0 where it isn't known.
	ContentSize int64 `json:"contentSize,omitempty"`
	// Platforms are those of the images of an index, MorePlatforms how many there are
	// beyond.
	Platforms     []string `json:"platforms,omitempty"`
	MorePlatforms int      `json:"morePlatforms,omitempty"`
}

// PageTitle implements titled.
func (p *tagsPage) PageTitle() string { return p.Repository }

// tagsPage shows the tags of a repository.
func (v *visit) tagsPage() (any, error) {
	query := v.request.URL.Query()
	page := &tagsPage{Repository: v.name, Search: strings.TrimSpace(query.Get("q")), Sort: cmp.Or(query.Get("sort"), ordersOfTags()[0].Value), Orders: ordersOfTags(), Tags: []tag{}}
	if !slices.ContainsFunc(page.Orders, func(o orderOfTags) bool { return o.Value == page.Sort }) {
		return nil, invalidError("The order of tags is one of name, version and created, with a - before it to turn it round.")
	}
	next, err := page.read(v.request.Context(), v.repo, query.Get("after"))
	if status, answered := client.StatusOf(err); answered && status == http.StatusNotImplemented {
		page.Unsorted = true
		next, err = page.readNames(v.request.Context(), v.repo, query.Get("after"))
	}
	if err != nil {
		return nil, err
	}
	page.Next = nextPage(query, next)
	page.detail(v.request.Context(), v.repo)
	return page, nil
}

// nextPage returns the address of the page behind a place, with the query of this one;
// empty where there is none.
func nextPage(query url.Values, after string) string {
	if after == "" {
		return ""
	}
	query = cloned(query)
	query.Set("after", after)
	return "?" + query.Encode()
}

// cloned returns a query that may be changed, without what asks for JSON.
func cloned(query url.Values) url.Values {
	kept := url.Values{}
	for name, values := range query {
		if name != "format" {
			kept[name] = values
		}
	}
	return kept
}

// read reads one page of the tags that are looked for. A search goes on until there is
// a page of what it is for.
func (p *tagsPage) read(ctx context.Context, from *client.Repository, after string) (next string, err error) {
	window := client.Window{Limit: perPage, After: after}
	if p.Search != "" {
		window.Limit = searchedAtOnce
	}
	for step := 1; ; step++ {
		var tags []client.Tag
		if tags, next, err = from.TagWindow(ctx, p.Sort, window); err != nil {
			return "", err
		}
		for _, t := range tags {
			if p.Search == "" || strings.Contains(t.Tag, p.Search) || strings.HasPrefix(t.Digest.String(), p.Search) {
				p.Tags = append(p.Tags, tag{Name: t.Tag, Digest: t.Digest, Kind: client.Describe(t.Descriptor), Created: t.Created, Version: t.Version})
			}
		}
		if next == "" || p.Search == "" || len(p.Tags) >= perPage {
			return next, nil
		}
		if step == searchedSteps {
			p.Cut = true
			return next, nil
		}
		window.After = next
	}
}

// readNames is read for a repository with more tags than are looked up.
func (p *tagsPage) readNames(ctx context.Context, from *client.Repository, after string) (next string, err error) {
	window := client.Window{Limit: perPage, After: after}
	if p.Search != "" {
		window.Limit = searchedAtOnce
	}
	for step := 1; ; step++ {
		var names []string
		if names, next, err = from.TagNameWindow(ctx, window); err != nil {
			return "", err
		}
		for _, name := range names {
			if !strings.Contains(name, p.Search) {
				continue
			}
			if len(p.Tags) == perPage {
				return p.Tags[perPage-1].Name, nil
			}
			p.Tags = append(p.Tags, tag{Name: name})
		}
		if next == "" || p.Search == "" {
			return next, nil
		}
		if step == searchedSteps {
			p.Cut = true
			return next, nil
		}
		window.After = next
	}
}

// detail adds what the manifests of the rows say, as far as they can be had in time:
// each of the first page of them is read once.
func (p *tagsPage) detail(ctx context.Context, from *client.Repository) {
	ctx, cancel := context.WithTimeout(ctx, detailTime)
	defer cancel()
	rows := map[digest.Digest][]*tag{}
	for i := range p.Tags {
		if t := &p.Tags[i]; t.Digest != "" && (len(rows[t.Digest]) > 0 || len(rows) < perPage) {
			rows[t.Digest] = append(rows[t.Digest], t)
		}
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for manifest, tagged := range rows {
		group.Go(func() error {
			m, err := from.Manifest(ctx, manifest.String())
			if err != nil {
				return nil //nolint:nilerr // The row says less.
			}
			contents, err := m.Contents()
			if err != nil {
				return nil //nolint:nilerr // The row says less.
			}
			platforms, more := platformNames(contents)
			for _, t := range tagged {
				t.Platforms, t.MorePlatforms = platforms, more
				if !m.IsIndex() {
					t.ContentSize = contents.Size()
				}
			}
			return nil
		})
	}
	_ = group.Wait()
}

// shownPlatforms is how many platforms a row names.
const shownPlatforms = 6

// platformNames returns the platforms that an index lists, each once, and how many more
// there are.
func platformNames(contents client.Contents) (names []string, more int) {
	for _, child := range contents.Children() {
		name := client.PlatformName(child.Platform)
		switch {
		case name == "" || name == unknownPlatform || slices.Contains(names, name):
		case len(names) == shownPlatforms:
			more++
		default:
			names = append(names, name)
		}
	}
	return names, more
}
