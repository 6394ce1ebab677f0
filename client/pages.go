package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// nextPage returns the path and query of the page after an answer, by its Link
// header. One that leads elsewhere is refused: it would be sent the user's
// credentials.
func nextPage(resp *http.Response) (string, error) {
	for _, value := range resp.Header.Values("Link") {
		for _, link := range splitOutside(value, ',') {
			target, found := nextTarget(link)
			if !found {
				continue
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
	}
	return "", nil
}

// nextTarget returns where a link leads whose relation is next (RFC 8288,
// section 3).
func nextTarget(link string) (string, bool) {
	target, parameters, found := strings.Cut(strings.TrimSpace(link), ">")
	if !found || !strings.HasPrefix(target, "<") {
		return "", false
	}
	for _, parameter := range splitOutside(parameters, ';') {
		name, value, _ := strings.Cut(parameter, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		relations := strings.Fields(strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`)))
		// Of several only the first counts.
		return target[1:], slices.Contains(relations, "next")
	}
	return "", false
}

// splitOutside splits a text where the separator is neither in <> nor in
// quotes.
func splitOutside(text string, separator byte) []string {
	var parts []string
	var closing byte
	begin := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case closing == '"' && c == '\\':
			i++ // what is escaped ends nothing
		case closing != 0:
			if c == closing {
				closing = 0
			}
		case c == '<':
			closing = '>'
		case c == '"':
			closing = '"'
		case c == separator:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}
