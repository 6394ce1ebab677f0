package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// maxTagError is how much of an upstream's error is passed on.
const maxTagError = 64 << 10

// tagReading is what may still be read from the upstream to answer one
// request for tags.
type tagReading struct {
	proxy  *Proxy
	caller *registry.Caller
	// request is the client's, in a form whose answer can be read.
	request *http.Request
	// further are the client's parameters but those that say which page.
	further url.Values
	bytes   int64
	pages   int
	// guessed says that no link led to the page that is asked for: the one
	// before may have been cut without one.
	guessed bool
}

func (p *Proxy) readTags(r *http.Request, target path, query url.Values) *tagReading {
	further := maps.Clone(query)
	further.Del(index.ParamLimit)
	further.Del(index.ParamLast)
	request := r.Clone(r.Context())
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Del("Range")
	limits := p.limits()
	return &tagReading{
		proxy: p, caller: p.callerOf(r, target), request: request, further: further,
		bytes: limits.TagListSize, pages: limits.TagListPages,
	}
}

// tooManyTags is the answer where a page can't be had within the limits. To
// try again doesn't help, which 501 says to clients.
func tooManyTags(limit string) *oci.Error {
	return &oci.Error{
		Limit:  limit,
		Status: http.StatusNotImplemented, Code: oci.CodeUnsupported,
		Message: "the registry has more tags, or more hidden ones in a row, than this proxy reads for one list; " +
			"its operator can raise limits.tagListSize and limits.tagListPages, or set tags.hide to none",
	}
}

// cut returns the first n tags behind last of a whole list, and whether there
// are more. It looks no further than that.
func (t *tagReading) cut(tags []string, last string, n int) (page []string, more bool, err error) {
	if n == 0 {
		return nil, len(tags) > 0, nil
	}
	for chunk := range slices.Chunk(behind(tags, last), max(n+1, minTagPage)) {
		shown, err := t.proxy.registry.Shown(t.request.Context(), t.caller, chunk)
		if err != nil {
			return nil, false, err
		}
		if page = append(page, shown...); len(page) > n {
			return page[:n], true, nil
		}
	}
	return page, false, nil
}

// fill adds tags of further pages to those shown of the first one, until there
// are as many as wanted or no more. It returns the link to what follows.
func (t *tagReading) fill(first, shown []string, wanted int, next *url.URL) ([]string, *url.URL, error) {
	// What is asked for here is another number than the client's.
	sent := next.Query().Get("n")
	sizes := newTagPageSizes(wanted)
	size := sizes.now
	previous := first
	for next != nil && len(shown) < wanted {
		tags, following, err := t.page(next, size)
		if err != nil && sizes.refused(size, err) {
			size = sizes.now
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if t.guessed && len(previous) > 0 && ignoresLast(tags, previous[len(previous)-1]) {
			return shown, nil, nil
		}
		if len(tags) > 0 && len(previous) > 0 && tags[0] == previous[0] {
			return nil, nil, fmt.Errorf("%w: list tags: the same page again", upstream.ErrInvalid)
		}
		more, err := t.proxy.registry.Shown(t.request.Context(), t.caller, tags)
		if err != nil {
			return nil, nil, err
		}
		room := wanted - len(shown)
		switch cut := len(more) > room; {
		case cut && byName(next, previous):
			shown = append(shown, more[:room]...)
			return shown, t.linkTo(next, sent, more[room-1]), nil
		case cut && len(tags) <= size:
			// The cursor is opaque, so only the upstream can make one that
			// leads to the middle of this page.
			size = 1 + slices.Index(tags, more[room-1])
			continue
		}
		shown = append(shown, more...)
		if t.guessed = t.guessed && following == nil; t.guessed && perhapsCut(tags, previous[len(previous)-1], size) {
			following = t.linkTo(next, sent, tags[len(tags)-1])
		}
		next, previous, size = following, tags, sizes.after(len(tags), len(more))
	}
	if t.guessed && next != nil {
		var err error
		if next, err = t.guess(next, previous); err != nil {
			return nil, nil, err
		}
	}
	if next == nil {
		return shown, nil, nil
	}
	return shown, t.linkTo(next, sent, ""), nil
}

// guess returns what is behind tags that have no link, if there is more: a
// registry that ignores last, or has no more, begins anew, which is told by its
// tags. What it refuses to say is no more.
func (t *tagReading) guess(next *url.URL, tags []string) (*url.URL, error) {
	behind, _, err := t.page(next, 1)
	var status *upstream.StatusError
	switch {
	case errors.As(err, &status) && status.Status < http.StatusInternalServerError && status.Status != http.StatusTooManyRequests:
		return nil, nil
	case err != nil:
		return nil, err
	case len(behind) == 0 || ignoresLast(behind, tags[len(tags)-1]) || slices.Contains(tags, behind[0]):
		return nil, nil
	}
	t.guessed = true
	return next, nil
}

// perhapsCut tells whether a page without a link, that was asked for with an n,
// may have been cut there: some registries do so without saying.
func perhapsCut(tags []string, last string, n int) bool {
	return n > 0 && len(tags) == n && oci.ValidTag(tags[n-1]) && !ignoresLast(tags, last)
}

// byName tells whether a link to the page after tags continues at a tag, as
// the specification has it.
func byName(next *url.URL, tags []string) bool {
	return len(tags) > 0 && next.Query().Get("last") == tags[len(tags)-1]
}

// linkTo returns a link with the n that is given, and another last unless that
// is empty. What else the client asked with is in it, though the upstream left it
// out.
func (t *tagReading) linkTo(next *url.URL, n, last string) *url.URL {
	link := *next
	query := link.Query()
	for name, given := range t.further {
		if !query.Has(name) {
			query[name] = given
		}
	}
	query.Del("n")
	if n != "" {
		query.Set("n", n)
	}
	if last != "" {
		query.Set("last", last)
	}
	link.RawQuery = query.Encode()
	return &link
}

// page fetches a further page, as the client.
func (t *tagReading) page(at *url.URL, size int) (tags []string, next *url.URL, err error) {
	if t.pages--; t.pages < 0 {
		return nil, nil, tooManyTags("limits.tagListPages")
	}
	ctx, cancel := context.WithTimeout(t.request.Context(), t.proxy.limits().QueryTime)
	defer cancel()
	request := t.request.Clone(ctx)
	request.URL = t.linkTo(at, strconv.Itoa(size), "")
	// The client's copy is of its own page.
	request.Header.Del("If-None-Match")
	request.Header.Del("If-Modified-Since")
	resp, err := t.proxy.forward(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxTagError))
		return nil, nil, errors.Join(&upstream.StatusError{Status: resp.StatusCode, Header: resp.Header, Body: body}, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.bytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: read tag list: %w", upstream.ErrUnreachable, err)
	}
	if t.bytes -= int64(len(body)); t.bytes < 0 {
		return nil, nil, tooManyTags("limits.tagListSize")
	}
	list, err := parseTagList(body)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: list tags: %w", upstream.ErrInvalid, err)
	}
	next, err = t.proxy.upstream.NextPage(at, resp.Header.Values("Link"))
	return list.tags, next, err
}
