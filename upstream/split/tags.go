package split

import (
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/backref/backref/upstream"
)

// listTags lists the tags of both registries (distribution-spec, "Listing Tags"): in
// order and cut where a page is asked for, else those of the second behind the
// primary's, unless these are in order. Each registry is read from the tag that the
// page begins behind, as far as the page goes; one that sends its tags in another order
// is read to its end.
func (q *question) listTags(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	page := tagPage{last: query.Get("last"), size: -1}
	if n, err := strconv.Atoi(query.Get("n")); err == nil && n >= 0 {
		page.size = n
	}
	ctx := req.Context()
	own, err := page.read(q.primary.TagsBehind(ctx, q.as, q.Repository, page.last, q.Tags))
	// Without tags a repository is unknown to many registries, which is a permission to
	// nobody.
	unknown := errors.Is(err, upstream.ErrNotFound)
	if err != nil && (!unknown || !q.as.AreOfService()) {
		return nil, err
	}
	there, thereErr := page.read(q.store.registry.TagsBehind(ctx, q.store.service(), q.store.name, page.last, q.Tags))
	if _, thereErr = q.store.missing(ctx, thereErr); thereErr != nil {
		return nil, thereErr
	}
	if unknown && len(there) == 0 {
		return nil, err
	}
	tags, more := page.cut(own, there)
	header := http.Header{"Content-Type": {"application/json"}}
	if more && len(tags) > 0 {
		next := url.Values{"last": {tags[len(tags)-1]}, "n": {strconv.Itoa(page.size)}}
		if namespace := query.Get(upstream.ParamNamespace); namespace != "" {
			next.Set(upstream.ParamNamespace, namespace)
		}
		header.Set("Link", "</v2/"+q.Repository+"/tags/list?"+next.Encode()+`>; rel="next"`)
	}
	body, err := json.Marshal(struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{q.Repository, tags})
	if err != nil {
		return nil, err
	}
	return q.answer(http.StatusOK, header, body), nil
}

// tagPage is what of a list is asked for.
type tagPage struct {
	// last is the tag that it begins behind; empty for the first.
	last string
	// size is how many tags it has at most; -1 for all.
	size int
}

// bounded tells whether the order of tags matters.
func (p tagPage) bounded() bool { return p.size >= 0 || p.last != "" }

// telling is how many tags have to come in order for it to be the registry's: a few do
// so by chance. As many come by one request.
const telling = 1000

// read reads as much of a list as a page needs, and one more: in order where the page
// is bounded.
func (p tagPage) read(list iter.Seq2[string, error]) ([]string, error) {
	tags, ordered := []string{}, true
	before, came := "", 0
	for tag, err := range list {
		if err != nil {
			return nil, err
		}
		came++
		ordered = ordered && tag > before
		before = tag
		if p.last != "" && tag <= p.last {
			// A registry that can't begin there sends it once more, at most.
			ordered = ordered && tag == p.last
			continue
		}
		tags = append(tags, tag)
		if ordered && p.size >= 0 && len(tags) > p.size && came >= telling {
			break
		}
	}
	if p.bounded() && !ordered {
		slices.Sort(tags)
	}
	return tags, nil
}

// cut makes a page of the tags of both registries.
func (p tagPage) cut(own, there []string) (tags []string, more bool) {
	tags = slices.Clone(own)
	known := map[string]bool{}
	for _, tag := range own {
		known[tag] = true
	}
	for _, tag := range there {
		if !known[tag] {
			tags = append(tags, tag)
		}
	}
	if p.bounded() || slices.IsSorted(own) {
		slices.Sort(tags)
	}
	if p.size >= 0 && len(tags) > p.size {
		return tags[:p.size], true
	}
	return tags, false
}
