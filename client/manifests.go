package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Manifest is a manifest with its bytes.
type Manifest struct {
	index.Manifest
	Body []byte
}

// manifestTypes are the media types that are asked for. Some registries send
// nothing that isn't named.
func manifestTypes() []string {
	return []string{
		oci.MediaTypeImageManifest, oci.MediaTypeImageIndex,
		"application/vnd.docker.distribution.manifest.v2+json", oci.MediaTypeDockerList,
		"application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json",
		"*/*",
	}
}

// errTooLarge says that a manifest is not read.
var errTooLarge = errors.New("it is larger")

func (r *Repository) manifestPath(reference string) string {
	return "/v2/" + r.Reference.Repository + "/manifests/" + reference
}

// Manifest returns the manifest with a tag or digest. One that is asked for by
// digest has it.
func (r *Repository) Manifest(ctx context.Context, reference string) (Manifest, error) {
	m, err := r.manifest(ctx, reference)
	if err != nil {
		return Manifest{}, fmt.Errorf("get manifest %s of %s/%s: %w", reference, r.Reference.Host, r.Reference.Repository, err)
	}
	return m, nil
}

// Entry returns the manifest that an index lists, and whether it is one: an entry
// of a media type that is not known may be a blob. Error: [ErrNotFound] where it
// is neither.
func (r *Repository) Entry(ctx context.Context, entry ocispec.Descriptor) (Manifest, bool, error) {
	if !Doubtful(entry) {
		m, err := r.Manifest(ctx, entry.Digest.String())
		return m, true, err
	}
	once := &Repository{Reference: r.Reference, http: r.once, remote: r.remote, base: r.base}
	m, err := once.Manifest(ctx, entry.Digest.String())
	if err == nil {
		return m, true, nil
	}
	// Registries give all sorts of answers where a blob is asked for so.
	var answer *statusError
	if !errors.Is(err, index.ErrManifest) && !errors.Is(err, errTooLarge) && !errors.As(err, &answer) {
		return m, true, err
	}
	blob, failure := r.HasBlob(ctx, entry)
	switch {
	case failure != nil:
		return m, true, errors.Join(err, failure)
	case blob:
		return m, false, nil
	default:
		return m, true, err
	}
}

func (r *Repository) manifest(ctx context.Context, reference string) (Manifest, error) {
	resp, err := r.get(ctx, r.manifestPath(reference), manifestTypes()...)
	if err != nil {
		return Manifest{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return Manifest{}, err
	}
	if len(body) > maxManifest {
		return Manifest{}, fmt.Errorf("%w than %d MiB", errTooLarge, maxManifest>>20)
	}
	wanted, err := digest.Parse(reference)
	if err != nil {
		// By tag: what the registry calls it, which may be of another algorithm.
		if wanted, err = digest.Parse(resp.Header.Get("Docker-Content-Digest")); err != nil {
			wanted = digest.FromBytes(body)
		}
	}
	return ParseManifest(resp.Header.Get("Content-Type"), wanted, body)
}

// ParseManifest reads the bytes of a manifest, which have to have a digest.
func ParseManifest(mediaType string, sum digest.Digest, body []byte) (Manifest, error) {
	parsed, err := index.ManifestLimits{}.ParseServed(mediaType, sum.Algorithm(), body)
	if err != nil {
		return Manifest{}, err
	}
	if parsed.Digest != sum {
		return Manifest{}, fmt.Errorf("its digest is %s, not %s: it was changed on its way or in the registry", parsed.Digest, sum)
	}
	return Manifest{parsed, body}, nil
}

// Resolve returns the digest of what a tag or digest names, and whether it is
// there.
func (r *Repository) Resolve(ctx context.Context, reference string) (digest.Digest, bool, error) {
	req, err := http.NewRequestWithContext(r.scoped(ctx, auth.ActionPull), http.MethodHead, r.base+r.manifestPath(reference), nil)
	if err != nil {
		return "", false, err
	}
	for _, mediaType := range manifestTypes() {
		req.Header.Add("Accept", mediaType)
	}
	resp, err := r.do(req, http.StatusOK)
	switch {
	case errors.Is(err, ErrNotFound):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("ask %s for %s of %s: %w", r.Reference.Host, reference, r.Reference.Repository, err)
	}
	_ = resp.Body.Close()
	if sum, err := digest.Parse(resp.Header.Get("Docker-Content-Digest")); err == nil {
		return sum, true, nil
	}
	if sum, err := digest.Parse(reference); err == nil {
		return sum, true, nil
	}
	m, err := r.Manifest(ctx, reference)
	return m.Digest, err == nil, err
}

// Condition is what has to hold for a push by tag. Registries that know no
// conditions ignore it.
type Condition struct {
	// Digest is what the tag has to name; where it is empty and Absent is set,
	// the tag must not exist.
	Digest digest.Digest
	Absent bool
}

// PutManifest pushes a manifest under a tag or its digest. subject is what the
// registry says of the subject that it has taken note of: where it is empty for
// a manifest that has one, the registry has no referrers API.
func (r *Repository) PutManifest(ctx context.Context, m Manifest, reference string, condition Condition) (subject string, err error) {
	ctx = r.scoped(ctx, auth.ActionPull, auth.ActionPush)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.base+r.manifestPath(reference), bytes.NewReader(m.Body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", m.MediaType)
	switch {
	case condition.Digest != "":
		req.Header.Set("If-Match", `"`+condition.Digest.String()+`"`)
	case condition.Absent:
		req.Header.Set("If-None-Match", "*")
	}
	resp, err := r.do(req, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return "", fmt.Errorf("push %s to %s/%s: %w", reference, r.Reference.Host, r.Reference.Repository, err)
	}
	_ = resp.Body.Close()
	if err := r.keeps(ctx, m, resp.Header.Get("Docker-Content-Digest")); err != nil {
		return "", fmt.Errorf("push %s to %s/%s: %w", reference, r.Reference.Host, r.Reference.Repository, err)
	}
	return resp.Header.Get("OCI-Subject"), nil
}

// keeps makes sure that a pushed manifest is found by its own digest where the
// registry calls it otherwise: some know one algorithm only.
func (r *Repository) keeps(ctx context.Context, m Manifest, called string) error {
	sum, err := digest.Parse(called)
	switch {
	case err != nil || sum == m.Digest:
		return nil //nolint:nilerr // What says nothing contradicts nothing.
	case sum.Algorithm() == m.Digest.Algorithm():
		return fmt.Errorf("the registry stored %s instead of %s", sum, m.Digest)
	}
	_, found, err := r.Resolve(ctx, m.Digest.String())
	var answer *statusError
	if err == nil && !found || errors.As(err, &answer) && answer.status == http.StatusBadRequest {
		err = fmt.Errorf("the registry keeps this manifest as %s only; what refers to %s would not be found", sum, m.Digest)
	}
	return err
}
