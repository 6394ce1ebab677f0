package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Bounds of the lists of tags and repositories.
const (
	// listPage is how many entries are asked for at once.
	listPage = 1000
	// maxListPage is the largest page that is read; old registries send all
	// tags at once.
	maxListPage = 64 << 20
)

// Tags lists the tags of a repository, at most so many. The sequence ends with
// the first error: [ErrNotFound], [ErrInvalid], [*StatusError],
// [ErrUnreachable].
func (r *Registry) Tags(ctx context.Context, as Credentials, repository string, most int) iter.Seq2[string, error] {
	type tags struct {
		Tags []string `json:"tags"`
	}
	first := &url.URL{Path: "/v2/" + repository + "/tags/list", RawQuery: "n=" + strconv.Itoa(listPage)}
	return bounded(most, pages(r, ctx, as, first, "list tags of "+repository, func(page tags) []string { return page.Tags }))
}

// Repositories lists the catalog, at most so many. The sequence ends with the first error, as
// that of [Registry.Tags] does; many registries have no catalog.
func (r *Registry) Repositories(ctx context.Context, as Credentials, most int) iter.Seq2[string, error] {
	type catalog struct {
		Repositories []string `json:"repositories"`
	}
	first := &url.URL{Path: "/v2/_catalog", RawQuery: "n=" + strconv.Itoa(listPage)}
	return bounded(most, pages(r, ctx, as, first, "list repositories", func(page catalog) []string { return page.Repositories }))
}

// bounded ends a list that goes on and on with an error.
func bounded(most int, list iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		count := 0
		for entry, err := range list {
			if count++; count > most {
				yield("", fmt.Errorf("%w: a list of more than %d entries (limits.listEntries)", ErrInvalid, most))
				return
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// pages follows the pages of a list to its end. A page that begins as the one
// before would go round for ever.
func pages[T any](r *Registry, ctx context.Context, as Credentials, first *url.URL, doing string, entries func(T) []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := ""
		for next := first; next != nil; {
			var page T
			following, err := r.listPage(ctx, as, next, &page)
			if err != nil {
				yield("", fmt.Errorf("%s: %w", doing, err))
				return
			}
			list := entries(page)
			if len(list) == 0 {
				return
			}
			if list[0] == seen {
				yield("", fmt.Errorf("%s: %w: the same page again", doing, ErrInvalid))
				return
			}
			seen = list[0]
			for _, entry := range list {
				if !yield(entry, nil) {
					return
				}
			}
			next = following
		}
	}
}

func (r *Registry) listPage(ctx context.Context, as Credentials, page *url.URL, into any) (next *url.URL, err error) {
	here := *page
	err = r.ask(ctx, as, http.MethodGet, page, http.Header{"Accept": {"application/json"}}, func(resp *http.Response) error {
		body, err := readBody(resp, maxListPage)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, into); err != nil {
			return errors.Join(ErrInvalid, err)
		}
		next, err = r.NextPage(&here, resp.Header.Values("Link"))
		return err
	})
	return next, err
}
