package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// HasBlob asks whether a repository has a blob that the credentials may read.
// Some registries call their manifests blobs too.
//
// Errors: [*StatusError], [ErrUnreachable].
func (r *Registry) HasBlob(ctx context.Context, as Credentials, repository string, blob digest.Digest) (bool, error) {
	target := &url.URL{Path: "/v2/" + repository + "/blobs/" + blob.String()}
	err := r.ask(ctx, as, http.MethodHead, target, http.Header{}, func(resp *http.Response) error {
		if redirected(resp) && isPage(resp) {
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
