package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/upstream"
)

// tagList is the answer of end-8. Registries add fields of their own to it,
// and these are kept.
type tagList struct {
	fields map[string]json.RawMessage
	tags   []string
}

func parseTagList(body []byte) (tagList, error) {
	var list tagList
	if err := json.Unmarshal(body, &list.fields); err != nil {
		return list, err
	}
	tags, given := list.fields["tags"]
	if !given {
		return list, nil
	}
	if plain, is := plainStrings(tags); is {
		list.tags = plain
		return list, nil
	}
	return list, json.Unmarshal(tags, &list.tags)
}

// plainStrings reads a list of strings of letters that stand for themselves, as
// tags are, from JSON that is known to be right; is is false for all else. There
// may be one tag for each referrer of a repository.
func plainStrings(list []byte) (plain []string, is bool) {
	text := string(list)
	inside := strings.TrimSuffix(strings.TrimPrefix(text, `["`), `"]`)
	if len(inside) != len(text)-len(`[""]`) {
		return nil, false
	}
	plain = strings.Split(inside, `","`)
	for _, each := range plain {
		for i := range len(each) {
			if c := each[i]; c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf {
				return nil, false
			}
		}
	}
	return plain, true
}

// listTags passes a tag list through (end-8a, end-8b). Old registries ignore
// `n` and `last` and send all tags in no order: these are applied here. Tags
// that are hidden are left out, and their places in the page filled. A list
// that is right as it came passes unchanged.
func (p *Proxy) listTags(w http.ResponseWriter, r *http.Request, target path) error {
	query, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	if r.Method != http.MethodGet || !p.registry.Hides() && !query.Has("n") && !query.Has("last") {
		return p.passTags(w, r, target)
	}
	reading := p.readTags(r, target, query)
	resp, err := p.forward(reading.request)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Encoding") == "" {
		if err := p.pageTags(reading, resp, query); err != nil {
			return err
		}
	}
	p.renameTags(r, resp, target)
	return p.relay(w, r, resp)
}

// passTags passes a list of tags through, by the name that the client has for the
// repository.
func (p *Proxy) passTags(w http.ResponseWriter, r *http.Request, target path) error {
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	p.renameTags(r, resp, target)
	return p.relay(w, r, resp)
}

// pageTags replaces the response's list by the page that was asked for, where
// it is another.
func (p *Proxy) pageTags(reading *tagReading, resp *http.Response, query url.Values) error {
	list, err := reading.first(resp)
	if err != nil || list.tags == nil {
		return err
	}
	here := &url.URL{Path: reading.request.URL.Path, RawPath: reading.request.URL.RawPath}
	next, linkErr := p.upstream.NextPage(here, resp.Header.Values("Link"))
	last := query.Get("last")
	n, err := strconv.Atoi(query.Get("n"))
	bounded := err == nil && n >= 0
	if !bounded {
		n = len(list.tags)
	}
	if next == nil && linkErr == nil && bounded && perhapsCut(list.tags, last, n) {
		if next, err = reading.guess(reading.linkTo(here, strconv.Itoa(n), list.tags[n-1]), list.tags); err != nil {
			return err
		}
		if next != nil {
			resp.Header.Set("Link", "<"+next.String()+`>; rel="next"`)
		}
	}
	// One that sends a Link pages, by whatever order and cursor it has.
	whole := next == nil && linkErr == nil
	if whole && (ignoresLast(list.tags, last) || len(list.tags) > n) {
		page, more, err := reading.cut(list.tags, last, n)
		if err != nil {
			return err
		}
		return replaceTags(resp, list, page, reading.linkBehind(here, page, n, more))
	}
	shown, err := p.registry.Shown(reading.request.Context(), reading.caller, list.tags)
	if err != nil {
		return err
	}
	switch {
	case len(list.tags) > n && (len(shown) > n || n == 0):
		page := behind(shown, last)
		page = page[:min(n, len(page))]
		return replaceTags(resp, list, page, reading.linkBehind(here, page, n, true))
	case len(shown) == len(list.tags) && (len(shown) > 0 || whole || !p.registry.Hides()):
		return nil
	case whole:
		return replaceTags(resp, list, shown, nil)
	case linkErr != nil:
		return linkErr
	}
	// The upstream may send less than n, so that is all that has to be filled.
	page, next, err := reading.fill(list.tags, shown, min(n, max(len(list.tags), 1)), next)
	if err != nil {
		return err
	}
	return replaceTags(resp, list, page, next)
}

// replaceTags puts other tags, and another link, into a response.
func replaceTags(resp *http.Response, list tagList, tags []string, next *url.URL) error {
	encoded, err := json.Marshal(append([]string{}, tags...))
	if err != nil {
		return err
	}
	fields := maps.Clone(list.fields)
	fields["tags"] = encoded
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp.Header.Del("Etag")
	resp.Header.Del("Link")
	if next != nil {
		resp.Header.Set("Link", "<"+next.String()+`>; rel="next"`)
	}
	return nil
}

// first reads the list of the response to the client's own request. A list
// that can't be read passes as it came: its tags are nil.
func (t *tagReading) first(resp *http.Response) (tagList, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.bytes+1))
	if err != nil {
		return tagList{}, fmt.Errorf("%w: read tag list: %w", upstream.ErrUnreachable, err)
	}
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	t.bytes -= int64(len(body))
	t.pages--
	switch {
	case t.bytes < 0 && t.proxy.registry.Hides():
		return tagList{}, tooManyTags("limits.tagListSize")
	case t.bytes < 0:
		return tagList{}, nil
	}
	list, err := parseTagList(body)
	if err != nil {
		return tagList{}, nil //nolint:nilerr // It passes as it came.
	}
	return list, nil
}

// ignoresLast tells whether a list has a tag that comes before the last one of
// the page before, in whichever of the two orders the specification allows. A
// last that is no tag is a cursor of the upstream's own making.
func ignoresLast(tags []string, last string) bool {
	if !oci.ValidTag(last) {
		return false
	}
	folded := strings.ToLower(last)
	return slices.ContainsFunc(tags, func(tag string) bool {
		return tag <= last && strings.ToLower(tag) <= folded
	})
}

// behind returns the tags behind last, in the order of their bytes.
func behind(tags []string, last string) []string {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	start, found := slices.BinarySearch(tags, last)
	if found {
		start++
	}
	return tags[start:]
}

// linkBehind returns the link to the page behind one that is full.
func (t *tagReading) linkBehind(here *url.URL, page []string, n int, more bool) *url.URL {
	if !more || n == 0 || len(page) < n {
		return nil
	}
	return t.linkTo(here, strconv.Itoa(n), page[n-1])
}
