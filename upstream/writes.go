package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
)

// PutManifest pushes a manifest under a tag or digest. Errors: [*StatusError]
// where the registry refuses it, [ErrUnreachable] where the outcome is not
// known.
func (r *Registry) PutManifest(ctx context.Context, as Credentials, repository, reference, mediaType string, body []byte) error {
	req := newQuery(http.MethodPut, manifestURL(repository, reference), http.Header{"Content-Type": {mediaType}})
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.ContentLength = int64(len(body))
	if err := r.change(ctx, as, req); err != nil {
		return fmt.Errorf("push manifest %s of %s: %w", reference, repository, err)
	}
	return nil
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

// change sends a request that any status of success answers.
func (r *Registry) change(ctx context.Context, as Credentials, req *http.Request) error {
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
	return nil
}
