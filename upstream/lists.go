package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/backref/backref/oci"
)

// maxListPage is the largest page of a list that is read; old registries send all
// tags at once.
const maxListPage = 64 << 20

// Tags lists the tags of a repository, at most so many. The sequence ends with
// the first error: [ErrNotFound], [ErrInvalid], [*StatusError],
// [ErrUnreachable].
func (r *Registry) Tags(ctx context.Context, as Credentials, repository string, most int) iter.Seq2[string, error] {
	return r.TagsBehind(ctx, as, repository, "", most)
}

// TagsBehind lists what comes behind a tag in the registry's order, as Tags does. Of a
// registry that can't begin there it may be more, with that tag among it.
func (r *Registry) TagsBehind(ctx context.Context, as Credentials, repository, last string, most int) iter.Seq2[string, error] {
	type tags struct {
		Tags []string `json:"tags"`
	}
	list := func() *oci.Pages { return oci.NewPagesBehind("/v2/"+repository+"/tags/list", last) }
	return bounded(most, pages(r, ctx, as, list, "list tags of "+repository, func(page tags) []string { return page.Tags }))
}

// Repositories lists the catalog, at most so many, and after it those of the further
// registries that there are. The sequence ends with the first error, as that of
// [Registry.Tags] does; many registries have no catalog.
func (r *Registry) Repositories(ctx context.Context, as Credentials, most int) iter.Seq2[string, error] {
	return bounded(most, func(yield func(string, error) bool) {
		for _, catalog := range r.catalogs() {
			for repository, err := range r.list(ctx, as, catalog, "") {
				if !yield(repository, err) || err != nil {
					return
				}
			}
		}
	})
}

// RepositoriesBehind lists what comes behind a repository in the catalog, in the
// registry's order, as Repositories does. Of a registry that can't begin there it
// may be more, with that repository among it. Those of further registries are not there.
func (r *Registry) RepositoriesBehind(ctx context.Context, as Credentials, last string, most int) iter.Seq2[string, error] {
	return bounded(most, r.list(ctx, as, Catalog{Path: catalogPath, Registry: r}, last))
}

// listed lists the catalog at a path behind a name, as it comes.
func (r *Registry) listed(ctx context.Context, as Credentials, path, last string) iter.Seq2[string, error] {
	type catalog struct {
		Repositories []string `json:"repositories"`
	}
	list := func() *oci.Pages { return oci.NewPagesBehind(path, last) }
	return pages(r, ctx, as, list, "list repositories", func(page catalog) []string { return page.Repositories })
}

// bounded ends a list that goes on and on with an error.
func bounded(most int, list iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		count := 0
		for entry, err := range list {
			if count++; count > most {
				yield("", fmt.Errorf("%w: %w: %d (limits.listEntries)", ErrInvalid, ErrListTooLong, most))
				return
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// pages follows the pages of a list to its end, by a way of its own each time.
func pages[T any](r *Registry, ctx context.Context, as Credentials, begin func() *oci.Pages, doing string, entries func(T) []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		list := begin()
		for next := list.Next(); next != nil; next = list.Next() {
			var page T
			following, err := r.listPage(ctx, as, next, &page)
			var status *StatusError
			if errors.As(err, &status) && list.Refused(status.Status) {
				continue
			}
			var fresh []string
			if err == nil {
				if fresh, err = list.Take(entries(page), following); err != nil {
					err = fmt.Errorf("%w: %w", ErrInvalid, err)
				}
			}
			if err != nil {
				yield("", fmt.Errorf("%s: %w", doing, err))
				return
			}
			for _, entry := range fresh {
				if !yield(entry, nil) {
					return
				}
			}
		}
	}
}

func (r *Registry) listPage(ctx context.Context, as Credentials, page *url.URL, into any) (next *url.URL, err error) {
	here, asked := *page, *page
	err = r.ask(ctx, as, http.MethodGet, &asked, http.Header{"Accept": {"application/json"}}, func(resp *http.Response) error {
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
