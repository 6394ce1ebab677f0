package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/backref/backref/upstream"
)

// maxTagList is the largest tag list that is paged for an upstream that
// doesn't page. A larger one is passed on as it comes.
const maxTagList = 32 << 20

// tagList is the answer of end-8.
type tagList struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// listTags passes a tag list through (end-8a, end-8b). Old registries ignore
// `n` and `last` and send all tags in no order: these are applied here.
func (p *Proxy) listTags(w http.ResponseWriter, r *http.Request, target path) {
	query := r.URL.Query()
	if r.Method != http.MethodGet || !query.Has("n") && !query.Has("last") {
		p.passthrough(w, r, target)
		return
	}
	resp, err := p.forward(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Encoding") == "" {
		if err := pageTags(resp, r.URL.Path, query); err != nil {
			p.fail(w, r, err)
			return
		}
	}
	p.relay(w, r, resp)
}

// pageTags replaces the response's list by the page that was asked for, where
// the upstream ignored that.
func pageTags(resp *http.Response, path string, query url.Values) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTagList+1))
	if err != nil {
		return fmt.Errorf("%w: read tag list: %w", upstream.ErrUnreachable, err)
	}
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), rest}
	var list tagList
	if len(body) > maxTagList || json.Unmarshal(body, &list) != nil {
		return nil
	}
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || n < 0 {
		n = len(list.Tags)
	}
	last := query.Get("last")
	if len(list.Tags) <= n && !ignoresLast(list.Tags, last) {
		return nil
	}
	page, more := tagPage(list.Tags, last, n)
	list.Tags = page
	paged, err := json.Marshal(list)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(paged))
	resp.ContentLength = int64(len(paged))
	resp.Header.Set("Content-Length", strconv.Itoa(len(paged)))
	resp.Header.Del("Etag")
	resp.Header.Del("Link")
	if more && n > 0 {
		next := url.URL{Path: path, RawQuery: url.Values{"n": {strconv.Itoa(n)}, "last": {page[n-1]}}.Encode()}
		resp.Header.Set("Link", "<"+next.String()+`>; rel="next"`)
	}
	return nil
}

// ignoresLast tells whether a list has a tag that comes before the last one of
// the page before, in whichever of the two orders the specification allows.
func ignoresLast(tags []string, last string) bool {
	if last == "" {
		return false
	}
	folded := strings.ToLower(last)
	return slices.ContainsFunc(tags, func(tag string) bool {
		return tag <= last && strings.ToLower(tag) <= folded
	})
}

// tagPage returns the first n of the tags behind last, in the order of their
// bytes, and whether there are more.
func tagPage(tags []string, last string, n int) ([]string, bool) {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	start, found := slices.BinarySearch(tags, last)
	if found {
		start++
	}
	tags = tags[start:]
	if len(tags) > n {
		return tags[:n], true
	}
	return tags, false
}
