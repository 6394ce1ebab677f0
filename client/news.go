package client

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// News is a referrer that a backref came to know, with when that was.
type News struct {
	Number  uint64        `json:"number"`
	Time    time.Time     `json:"time"`
	Subject digest.Digest `json:"subject"`
	oci.Descriptor
}

// NewsWindow returns a part of the new referrers of the repository, the latest first,
// of an artifact type, which may have wildcards; empty for all.
func (r *Repository) NewsWindow(ctx context.Context, artifactType string, w Window) (news []News, next string, err error) {
	values := url.Values{"format": {"json"}}
	if artifactType != "" {
		values.Set(index.ParamArtifactType, artifactType)
	}
	if w.Limit > 0 {
		values.Set(index.ParamLimit, strconv.Itoa(w.Limit))
	}
	if w.After != "" {
		values.Set("before", w.After)
	}
	var page struct{ Notices []News }
	if next, err = r.windowBy(ctx, r.extensionPath("notices/feed"), values, "before", &page); err != nil {
		return nil, "", fmt.Errorf("list new referrers of %s: %w", r.Reference, err)
	}
	return page.Notices, next, nil
}

// CoverageWindow returns how the images fare that a part of the tags of the repository
// name, in the order of the tags.
func (r *Repository) CoverageWindow(ctx context.Context, query CoverageQuery, w Window) (page CoveragePage, next string, err error) {
	next, err = r.window(ctx, r.extensionPath("coverage/images"), query.values(), w, &page)
	if err != nil {
		return CoveragePage{}, "", fmt.Errorf("ask which images of %s lack what: %w", r.Reference, err)
	}
	return page, next, nil
}

// Feed returns the Atom feed of the repository's new referrers, by the parameters of
// that, up to a number of bytes.
func (r *Repository) Feed(ctx context.Context, values url.Values, most int64) (body []byte, mediaType string, err error) {
	values.Del("format")
	resp, err := r.get(ctx, r.extensionPath("notices/feed")+"?"+values.Encode())
	if err != nil {
		return nil, "", fmt.Errorf("get the feed of %s: %w", r.Reference, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && int64(len(body)) > most {
		err = fmt.Errorf("the feed of %s is larger than %d bytes", r.Reference, most)
	}
	return body, resp.Header.Get("Content-Type"), err
}
