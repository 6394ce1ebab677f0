package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// PutManifest pushes a manifest under a tag or digest. Errors: [*StatusError]
// where the registry refuses it, [ErrUnreachable] where the outcome is not
// known.
func (r *Registry) PutManifest(ctx context.Context, as Credentials, repository, reference, mediaType string, body []byte) error {
	req := newQuery(http.MethodPut, manifestURL(repository, reference), http.Header{"Content-Type": {mediaType}})
	setBody(req, body)
	if err := r.change(ctx, as, req); err != nil {
		return fmt.Errorf("push manifest %s of %s: %w", reference, repository, err)
	}
	return nil
}

// PutBlob pushes a small blob whole (distribution-spec, "Pushing a blob
// monolithically"), unless the repository has it. Errors are those of
// [Registry.PutManifest].
func (r *Registry) PutBlob(ctx context.Context, as Credentials, repository string, body []byte) error {
	blob := digest.FromBytes(body)
	if err := r.putBlob(ctx, as, repository, blob, body); err != nil {
		return fmt.Errorf("push blob %s of %s: %w", blob, repository, err)
	}
	return nil
}

func (r *Registry) putBlob(ctx context.Context, as Credentials, repository string, blob digest.Digest, body []byte) error {
	if has, err := r.HasBlob(ctx, as, repository, blob); has || err != nil {
		return err
	}
	req, err := r.beginUpload(ctx, as, repository, blob)
	if err != nil {
		return err
	}
	setBody(req, body)
	return r.change(ctx, as.For(repository), req)
}

// StreamBlob pushes a blob as it is read, of so many bytes; -1 is for a number that is
// not known. The registry verifies its digest. How long that takes only ctx bounds,
// and the pauses that the registry makes. Errors are those of [Registry.PutManifest],
// and [ErrBodySpent], see [Sender].
func (r *Registry) StreamBlob(ctx context.Context, as Credentials, repository string, blob digest.Digest, size int64, body io.Reader) error {
	if err := r.streamBlob(ctx, as, repository, blob, size, body); err != nil {
		return fmt.Errorf("push blob %s of %s: %w", blob, repository, err)
	}
	return nil
}

func (r *Registry) streamBlob(ctx context.Context, as Credentials, repository string, blob digest.Digest, size int64, body io.Reader) error {
	req, err := r.beginUpload(ctx, as, repository, blob)
	if err != nil {
		return err
	}
	if req.ContentLength = size; size == 0 {
		req.Body = http.NoBody
	} else {
		req.Body = io.NopCloser(body)
	}
	resp, err := r.do(ctx, as.For(repository), req)
	if err != nil {
		return err
	}
	defer closeBody(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return statusError(resp)
	}
	return nil
}

// beginUpload begins to push a blob, and returns the request that ends it, which lacks
// the blob still.
func (r *Registry) beginUpload(ctx context.Context, as Credentials, repository string, blob digest.Digest) (*http.Request, error) {
	here := url.URL{Path: "/v2/" + repository + "/blobs/uploads/"}
	target := here
	begin := newQuery(http.MethodPost, &target, http.Header{"Content-Length": {"0"}})
	var upload *url.URL
	err := r.changing(ctx, as, begin, func(resp *http.Response) (err error) {
		if resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%w: %s to the begin of an upload", ErrInvalid, resp.Status)
		}
		upload, err = r.UploadPath(&here, resp)
		return err
	})
	if err != nil {
		return nil, err
	}
	if upload.RawQuery != "" {
		upload.RawQuery += "&"
	}
	upload.RawQuery += "digest=" + url.QueryEscape(blob.String())
	return newQuery(http.MethodPut, upload, http.Header{"Content-Type": {"application/octet-stream"}}), nil
}

// UploadPath returns where an answer has an upload go on, as a client of the registry
// writes it. That it goes to another host is [ErrInvalid].
func (r *Registry) UploadPath(here *url.URL, resp *http.Response) (*url.URL, error) {
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || *location == (url.URL{}) {
		return nil, fmt.Errorf("%w: an upload is to go on at %q", ErrInvalid, resp.Header.Get("Location"))
	}
	if local, ours := r.ClientPath(location); ours {
		return local, nil
	}
	if location.Host != "" || location.Scheme != "" {
		return nil, fmt.Errorf("%w: an upload is to go on at %q", ErrInvalid, location.Host)
	}
	next := here.ResolveReference(location)
	return &url.URL{Path: next.Path, RawPath: next.RawPath, RawQuery: next.RawQuery}, nil
}

// DeleteManifest deletes a manifest. Errors: [ErrNotFound], [*StatusError]
// where the registry refuses it, [ErrUnreachable] where the outcome is not
// known.
func (r *Registry) DeleteManifest(ctx context.Context, as Credentials, repository string, manifest digest.Digest) error {
	req := newQuery(http.MethodDelete, manifestURL(repository, manifest.String()), http.Header{})
	if err := r.change(ctx, as, req); err != nil {
		return fmt.Errorf("delete manifest %s of %s: %w", manifest, repository, err)
	}
	return nil
}

// DeleteTag deletes a tag, with which some registries delete the manifest too.
// Errors are those of [Registry.DeleteManifest].
func (r *Registry) DeleteTag(ctx context.Context, as Credentials, repository, tag string) error {
	req := newQuery(http.MethodDelete, manifestURL(repository, tag), http.Header{})
	if err := r.change(ctx, as, req); err != nil {
		return fmt.Errorf("delete tag %s of %s: %w", tag, repository, err)
	}
	return nil
}

// setBody gives a request a body that can be sent again.
func setBody(req *http.Request, body []byte) {
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(body))
}

// change sends a request that any status of success answers.
func (r *Registry) change(ctx context.Context, as Credentials, req *http.Request) error {
	return r.changing(ctx, as, req, func(*http.Response) error { return nil })
}

// changing sends a request, and reads an answer of success.
func (r *Registry) changing(ctx context.Context, as Credentials, req *http.Request, read func(*http.Response) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.queries)
	defer cancel()
	resp, err := r.do(ctx, as, req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer closeBody(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return statusError(resp)
	}
	return read(resp)
}
