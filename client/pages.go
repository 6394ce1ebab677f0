package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/backref/backref/oci"
)

// eachPage reads a list to its end, or until take wants no more. Pages that
// lead back to one that was read are an error: there is no end.
func eachPage[P any](ctx context.Context, r *Repository, path string, take func(P) (more bool)) error {
	for read := map[string]bool{}; path != ""; {
		if read[path] {
			return fmt.Errorf("%s links pages in a circle: %s comes a second time", r.Reference.Host, path)
		}
		read[path] = true
		var page P
		next, _, err := r.getJSON(ctx, path, &page)
		if err != nil {
			return err
		}
		if !take(page) {
			return nil
		}
		path = next
	}
	return nil
}

// listNames reads a list of names to its end, whatever way the registry pages.
func listNames[P any](ctx context.Context, r *Repository, path string, of func(P) []string) ([]string, error) {
	var all []string
	err := eachName(ctx, r, oci.NewPages(path), of, func(name string) bool {
		all = append(all, name)
		return true
	})
	return all, err
}

// eachName hands the names of a list to take until that wants no more, whatever way the
// registry pages.
func eachName[P any](ctx context.Context, r *Repository, list *oci.Pages, of func(P) []string, take func(string) (more bool)) error {
	for next := list.Next(); next != nil; next = list.Next() {
		var page P
		following, _, err := r.getJSON(ctx, next.RequestURI(), &page)
		var answer *statusError
		if errors.As(err, &answer) && list.Refused(answer.status) {
			continue
		}
		if err != nil {
			return err
		}
		var link *url.URL
		if following != "" {
			if link, err = url.ParseRequestURI(following); err != nil {
				return fmt.Errorf("link to the next page: %w", err)
			}
		}
		fresh, err := list.Take(of(page), link)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Reference.Host, err)
		}
		for _, name := range fresh {
			if !take(name) {
				return nil
			}
		}
	}
	return nil
}

// nextPage returns the path and query of the page after an answer, by its Link
// header. One that leads elsewhere is refused: it would be sent the user's
// credentials.
func nextPage(resp *http.Response) (string, error) {
	target, found := oci.NextLink(resp.Header.Values("Link"))
	if !found {
		return "", nil
	}
	parsed, err := url.Parse(target)
	if err != nil {
		return "", fmt.Errorf("link to the next page: %w", err)
	}
	asked := resp.Request.URL
	absolute := asked.ResolveReference(parsed)
	if absolute.Host != asked.Host || absolute.Scheme != asked.Scheme {
		return "", fmt.Errorf("the link to the next page leads from %s to %s", asked.Host, absolute.Host)
	}
	return absolute.RequestURI(), nil
}
