package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// Blob fetches a blob of at most limit bytes, of the digest that it is asked for
// by. It goes where the registry keeps its blobs, as clients do.
//
// Errors: [ErrNotFound], [ErrTooLarge], [ErrInvalid] where it has another digest,
// [*StatusError], [ErrUnreachable].
func (r *Registry) Blob(ctx context.Context, as Credentials, repository string, blob digest.Digest, limit int64) ([]byte, error) {
	target := &url.URL{Path: "/v2/" + repository + "/blobs/" + blob.String()}
	var body []byte
	err := r.ask(ctx, as, http.MethodGet, target, http.Header{}, func(resp *http.Response) (err error) {
		if resp.ContentLength > limit {
			return ErrTooLarge
		}
		if body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1)); err != nil {
			return fmt.Errorf("%w: read body: %w", ErrUnreachable, err)
		}
		if int64(len(body)) > limit {
			return ErrTooLarge
		}
		_, err = checkDigest(blob.String(), "", body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fetch blob %s of %s: %w", blob, repository, err)
	}
	return body, nil
}

// HasBlob asks whether a repository has a blob that the credentials may read.
// Some registries call their manifests blobs too.
//
// Errors: [*StatusError], [ErrUnreachable].
func (r *Registry) HasBlob(ctx context.Context, as Credentials, repository string, blob digest.Digest) (bool, error) {
	target := &url.URL{Path: "/v2/" + repository + "/blobs/" + blob.String()}
	err := r.ask(ctx, as, http.MethodHead, target, http.Header{}, func(resp *http.Response) error {
		if redirected(resp) && IsPage(resp) {
			return fmt.Errorf("%w: a page for people", ErrInvalid)
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look up blob %s of %s: %w", blob, repository, err)
	}
	return true, nil
}

// OpenBlob asks for a blob, and goes where the registry keeps its blobs, as clients
// do. header may ask for a part of it. The answer is as it came, whatever its status;
// the caller closes its body, which is bounded by the pauses that it may make and by
// ctx alone, and verifies what it reads.
//
// Errors: [*StatusError] for a redirect that is not followed, [ErrUnreachable].
func (r *Registry) OpenBlob(ctx context.Context, as Credentials, repository string, blob digest.Digest, header http.Header) (*http.Response, error) {
	target := &url.URL{Path: "/v2/" + repository + "/blobs/" + blob.String()}
	resp, err := r.follow(ctx, as, http.MethodGet, target, header)
	if err != nil {
		return nil, fmt.Errorf("fetch blob %s of %s: %w", blob, repository, err)
	}
	return resp, nil
}
