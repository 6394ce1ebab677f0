package shim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

// Secrets are by what the state of an upload is known to be backref's own.
type Secrets interface {
	// Secrets returns at least one secret, the same ones in all replicas and after each
	// start; the first is to be used, all are good.
	Secrets(ctx context.Context) ([][]byte, error)
}

// hashes is the shim for registries that take no blob by a digest of another algorithm
// than their own. What is uploaded is hashed by both on its way, and what is pushed by
// a sha512 goes to the registry by its sha256. How far the hashes are stands in the URL
// of an upload, so that they go on in any replica, and after a restart; with it a code
// that only backref can make.
//
// A body that comes with the end of an upload is sent as a chunk before that: until it
// has been read nobody knows by which digest the registry is to be given it.
type hashes struct {
	secrets Secrets
	next    *upstream.Registry
}

// Send implements [upstream.Sender].
func (h hashes) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	t, query := upstream.TargetOf(req), req.URL.Query()
	named := digest.Digest(query.Get("digest"))
	begins := t.Endpoint == upstream.EndpointUploads && req.Method == http.MethodPost
	switch {
	case begins && foreign(named):
		return h.whole(as, req, named)
	case begins && query.Get("digest") == "":
		return h.begin(as, req)
	case query.Has(paramHashes):
		return h.goOn(as, req, named)
	default:
		return h.next.Send(as, req)
	}
}

// begin begins an upload.
func (h hashes) begin(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	resp, err := h.next.Send(as, req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		return resp, err
	}
	return orDiscard(resp, h.tell(ctx, resp, newHashed()))
}

// goOn passes a request on that is about an upload whose hashes are known.
func (h hashes) goOn(as upstream.Credentials, req *http.Request, named digest.Digest) (*http.Response, error) {
	sums, err := h.unmark(req.Context(), req.URL)
	if err != nil {
		closeBody(req)
		if errors.Is(err, errForeignState) {
			return upstream.Refusal(req, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the URL of the upload is not as it was given: begin the upload again"), nil
		}
		return nil, err
	}
	switch {
	case req.Method == http.MethodPatch:
		return h.chunk(as, req, sums)
	case req.Method == http.MethodPut && foreign(named):
		return h.end(as, req, sums, named)
	case req.Method == http.MethodGet:
		return h.status(as, req, sums)
	default:
		return h.next.Send(as, req)
	}
}

// chunk uploads a part, and hashes it.
func (h hashes) chunk(as upstream.Credentials, req *http.Request, sums *hashed) (*http.Response, error) {
	ctx := req.Context()
	before := sums.offset()
	passing := &tee{ReadCloser: req.Body, sums: sums}
	if req.Body != nil {
		req.Body, req.GetBody = passing, nil
	}
	resp, err := h.next.Send(as, req)
	passing.end()
	if err != nil {
		return nil, err
	}
	if !upstream.Accepted(resp) {
		if before == sums.offset() {
			err = h.tell(ctx, resp, sums)
		}
		// Else the client asks how far the registry is.
		return orDiscard(resp, err)
	}
	return orDiscard(resp, h.tell(ctx, resp, sums))
}

// tell has an answer say how far the hashes of an upload are, if the upload goes on at
// the registry: another host may take no URL but one that it signed.
func (h hashes) tell(ctx context.Context, resp *http.Response, sums *hashed) error {
	if _, err := h.next.UploadPath(&url.URL{Path: "/"}, resp); err != nil {
		return nil //nolint:nilerr // It is the registry's, and the client's to make sense of.
	}
	return h.mark(ctx, resp, sums)
}

// status asks how far an upload is. Where the registry has another part of it than was
// hashed, which is so where a chunk broke off, the hashes don't go on.
func (h hashes) status(as upstream.Credentials, req *http.Request, sums *hashed) (*http.Response, error) {
	ctx := req.Context()
	// Of a client that was about to end it.
	without(req.URL, "digest")
	here := *req.URL
	resp, err := h.next.Send(as, req)
	if err != nil || !upstream.Accepted(resp) {
		return resp, err
	}
	end, told := endOf(resp.Header.Get("Range"))
	// An upload of nothing is 0-0 to some.
	same := end == sums.offset() || end == 1 && sums.offset() == 0
	if !told || !same {
		return resp, nil
	}
	if resp.Header.Get("Location") == "" {
		resp.Header.Set("Location", here.RequestURI())
	}
	return orDiscard(resp, h.tell(ctx, resp, sums))
}

// end ends an upload by the registry's own digest of all that was hashed.
func (h hashes) end(as upstream.Credentials, req *http.Request, sums *hashed, named digest.Digest) (*http.Response, error) {
	upload, ask := *req.URL, upstream.Aside(req, http.MethodPut, req.URL)
	without(&upload, "digest")
	if req.Body != nil && req.Body != http.NoBody && req.ContentLength != 0 {
		last := req.Clone(req.Context())
		last.Method = http.MethodPatch
		target := upload
		last.URL = &target
		resp, err := h.chunk(as, last, sums)
		if err != nil || !upstream.Accepted(resp) {
			return resp, err
		}
		upstream.Discard(resp)
		next, err := h.locate(&upload, resp)
		if err != nil {
			return nil, err
		}
		without(next, paramHashes)
		upload = *next
	}
	if given, ok := sums.digest(named.Algorithm()); !ok || given != named {
		return h.wrong(as, ask, &upload, named)
	}
	kept, _ := sums.digest(digest.Canonical)
	ask.URL = withDigest(&upload, kept)
	ask.ContentLength = 0
	resp, err := h.next.Send(as, ask)
	if err == nil && resp.StatusCode == http.StatusCreated && resp.Header.Get("Docker-Content-Digest") == "" {
		resp.Header.Set("Docker-Content-Digest", kept.String())
	}
	return resp, err
}

// wrong refuses an upload that is not of the digest that it is ended by, and has the
// registry forget it.
func (h hashes) wrong(as upstream.Credentials, ask *http.Request, upload *url.URL, named digest.Digest) (*http.Response, error) {
	drop := upstream.Aside(ask, http.MethodDelete, upload)
	if resp, err := h.next.Send(as, drop); err == nil {
		upstream.Discard(resp)
	}
	return upstream.Refusal(ask, http.StatusBadRequest, "DIGEST_INVALID",
		"what was uploaded is not of digest "+named.String()+": upload it again"), nil
}

// whole uploads a blob that comes with the begin of its upload.
func (h hashes) whole(as upstream.Credentials, req *http.Request, named digest.Digest) (*http.Response, error) {
	begin := upstream.Aside(req, http.MethodPost, req.URL)
	without(begin.URL, "digest")
	here := *begin.URL
	resp, err := h.next.Send(as, begin)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		closeBody(req)
		return resp, err
	}
	upstream.Discard(resp)
	upload, err := h.locate(&here, resp)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	req.Method, req.URL = http.MethodPut, withDigest(upload, named)
	return h.end(as, req, newHashed(), named)
}

// locate returns where an upload goes on, as a client of the registry writes it.
func (h hashes) locate(here *url.URL, resp *http.Response) (*url.URL, error) {
	if resp.Header.Get("Location") == "" {
		return here, nil
	}
	return h.next.UploadPath(here, resp)
}

// withDigest returns the URL by which an upload ends.
func withDigest(upload *url.URL, named digest.Digest) *url.URL {
	ended := *upload
	if ended.RawQuery != "" {
		ended.RawQuery += "&"
	}
	ended.RawQuery += "digest=" + url.QueryEscape(named.String())
	return &ended
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// tee hashes what is read of a body, until that ends: a registry may answer while it is
// sent still (package net/http, RoundTripper), and what comes then is in no answer.
type tee struct {
	io.ReadCloser
	mutex sync.Mutex
	// sums is nil at the end.
	sums *hashed
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.sums != nil {
		t.sums.write(b[:n])
	}
	return n, err
}

// end leaves the hashes to who asks.
func (t *tee) end() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.sums = nil
}
