package split

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// beside is a repository at a registry beside the primary.
type beside struct {
	// key is the section of the configuration that describes the registry, host its name.
	key, host string
	// name is what the repository is called there.
	name     string
	registry *upstream.Registry
}

// service returns backref's own credentials there.
func (b *beside) service() upstream.Credentials {
	own, _ := b.registry.Service()
	return own.For(b.name)
}

// failed is the error to the client where the registry fails at what has to be known of
// it, or done there. It says nothing about the primary: no cause matches what would be
// the primary's answer.
func (b *beside) failed(err error) error {
	return oci.Unavailable(http.StatusServiceUnavailable, fmt.Sprintf(
		"the registry %s, which this proxy needs for manifests with a subject, can't be used just now; try again later, or have the operator look at %s", b.host, b.key),
		fmt.Errorf("%w: %s: %v", upstream.ErrUnreachable, b.key, err)) //nolint:errorlint // It is another registry's.
}

// missing tells of an error whether it says that the registry has no such thing, if it
// is one that says so. Any other error comes back as what the client gets.
func (b *beside) missing(ctx context.Context, err error) (bool, error) {
	switch {
	case err == nil:
		return false, nil
	case !errors.Is(err, upstream.ErrNotFound):
		return false, b.failed(err)
	}
	if fault := b.registry.ServesAPI(ctx, b.name); fault != nil {
		return false, b.failed(fault)
	}
	return true, nil
}

// maxManifest is the largest manifest that is read, in bytes.
const maxManifest = 16 << 20

// manifest fetches a manifest; found is false where there is none.
func (b *beside) manifest(ctx context.Context, reference string) (m upstream.Manifest, found bool, err error) {
	m, err = b.registry.Manifest(ctx, b.service(), b.name, reference, maxManifest)
	missing, err := b.missing(ctx, err)
	return m, err == nil && !missing, err
}

// hasManifest asks whether there is a manifest.
func (b *beside) hasManifest(ctx context.Context, manifest digest.Digest) (bool, error) {
	_, err := b.registry.Resolve(ctx, b.service(), b.name, manifest.String())
	missing, err := b.missing(ctx, err)
	return err == nil && !missing, err
}

// blob asks for a blob; nil where there is none.
func (b *beside) blob(ctx context.Context, blob digest.Digest, wanted http.Header) (*http.Response, error) {
	resp, err := b.registry.OpenBlob(ctx, b.service(), b.name, blob, wanted)
	if err != nil {
		return nil, b.failed(err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent, http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable:
		return resp, nil
	case http.StatusNotFound:
		upstream.Discard(resp)
		_, err := b.missing(ctx, upstream.ErrNotFound)
		return nil, err
	default:
		upstream.Discard(resp)
		return nil, b.failed(statusOf(resp))
	}
}
