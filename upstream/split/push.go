package split

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// pushed is a manifest that is pushed.
type pushed struct {
	oci.Parts
	header http.Header
	body   []byte
}

// push takes a manifest: one with a subject to the second registry, any other to the
// primary.
func (q *question) push(req *http.Request) (*http.Response, error) {
	p, err := readPushed(req)
	if err != nil {
		return q.primary.Send(q.given, req)
	}
	if p.SubjectDigest() == "" {
		return q.pushOther(req, p)
	}
	if req.Body != nil {
		_ = req.Body.Close()
	}
	if err := q.mayPush(); err != nil {
		return nil, err
	}
	switch taken, is, err := q.taken(p); {
	case err != nil:
		return nil, err
	case is:
		// It was there before the registry was split.
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
		return q.primary.Send(q.given, req)
	case taken != "":
		return nil, q.refuse(http.StatusConflict, oci.CodeDenied,
			"the tag "+taken+" stands for something else here; push what has a subject by its digest, or under another tag")
	}
	if err := q.bring(p); err != nil {
		return nil, err
	}
	return q.put(p)
}

// readPushed reads a manifest that can be sent again. What it can't read is for the
// primary to judge.
func readPushed(req *http.Request) (*pushed, error) {
	if req.GetBody == nil {
		return nil, errors.New("it can't be sent again")
	}
	body, err := upstream.ReadAgain(req.GetBody, maxManifest)
	if err != nil {
		return nil, err
	}
	named, err := oci.ReadParts(body, maxParts)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, name := range []string{"Content-Type", "If-Match", "If-None-Match"} {
		if values := req.Header[name]; len(values) > 0 {
			header[name] = values
		}
	}
	return &pushed{named, header, body}, nil
}

// maxTags is how many tags a push may name.
const maxTags = 100

// taken returns the tag by which a manifest is pushed, or that its query names
// (distribution-spec, "Pushing manifests with tags"), that stands for something else in
// the primary; empty for none. is tells whether one stands for the very manifest there.
func (q *question) taken(p *pushed) (tag string, is bool, err error) {
	written := q.like.URL.Query()["tag"]
	if !q.byDigest() {
		written = append(written, q.Reference)
	}
	slices.Sort(written)
	if written = slices.Compact(written); len(written) > maxTags {
		return "", false, q.refuse(http.StatusBadRequest, oci.CodeUnsupported, fmt.Sprintf("the push names more than %d tags: name the others by a further push", maxTags))
	}
	for _, tag := range written {
		if !oci.ValidTag(tag) {
			continue
		}
		stands, err := q.primary.Resolve(q.like.Context(), q.as, q.Repository, tag)
		switch {
		case errors.Is(err, upstream.ErrNotFound):
		case err != nil:
			return "", false, err
		case stands == digest.FromBytes(p.body):
			is = true
		default:
			return tag, false, nil
		}
	}
	return "", is, nil
}

// put pushes a manifest to the second registry. Its answer becomes the client's.
func (q *question) put(p *pushed) (*http.Response, error) {
	resp, err := q.sendThere(http.MethodPut, p.header, p.body)
	if err == nil && resp.StatusCode == http.StatusNotFound {
		upstream.Discard(resp)
		return nil, q.store.failed(statusOf(resp))
	}
	return resp, err
}

// sendThere sends the second registry the request that q is, as the service. What it
// answers is as if the primary had.
func (q *question) sendThere(method string, header http.Header, body []byte) (*http.Response, error) {
	query := q.like.URL.Query()
	query.Del(upstream.ParamNamespace)
	req := (&http.Request{
		Method: method, URL: &url.URL{Path: manifestPath(q.store.name, q.Reference), RawQuery: query.Encode()}, Header: header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(q.like.Context())
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("User-Agent", "backref")
	if body != nil {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(body))
	}
	resp, err := q.store.registry.Send(q.store.service(), req)
	if err != nil {
		return nil, q.store.failed(err)
	}
	if status := resp.StatusCode; !upstream.Accepted(resp) && (status < 400 || status >= 500 || denied(status)) {
		upstream.Discard(resp)
		return nil, q.store.failed(statusOf(resp))
	}
	return q.translate(resp), nil
}

// denied tells whether a status says that the second registry won't have backref's
// request just now, whatever it is about.
func denied(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	default:
		return false
	}
}

// translate has an answer of the second registry name things as clients of the primary
// do. That it has the referrers API itself is left out: the primary is asked by it.
func (q *question) translate(resp *http.Response) *http.Response {
	header := http.Header{}
	for _, name := range []string{"Content-Type", "Content-Length", "Docker-Content-Digest", "Oci-Tag"} {
		if values := resp.Header[name]; len(values) > 0 {
			header[name] = values
		}
	}
	if resp.Header.Get("Location") != "" {
		reference := q.Reference
		if stated := resp.Header.Get("Docker-Content-Digest"); oci.CheckDigest(digest.Digest(stated)) == nil {
			reference = stated
		}
		header.Set("Location", manifestPath(q.Repository, reference))
	}
	resp.Header, resp.Request, resp.Trailer = header, q.like, nil
	return resp
}
