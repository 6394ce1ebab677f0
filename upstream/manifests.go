package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
)

// manifestTypes are the media types that backref accepts a manifest in. A
// registry asked for less may convert what it has.
var manifestTypes = strings.Join([]string{
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.artifact.manifest.v1+json",
	"application/vnd.cncf.oras.artifact.manifest.v1+json",
	"*/*",
}, ", ")

// Manifest is a manifest as the registry sent it.
type Manifest struct {
	MediaType string
	// Digest is that of Body: the one asked for, else the registry's own
	// after it has been checked, else the canonical one.
	Digest digest.Digest
	Body   []byte
}

// Manifest fetches a manifest of at most limit bytes by tag or digest.
//
// Errors: [ErrNotFound], [ErrInvalid] where it is too large or has another
// digest than asked for, [*StatusError], [ErrUnreachable]. What a redirect leads
// to has to be the manifest, or it is [ErrUnreachable].
func (r *Registry) Manifest(ctx context.Context, as Credentials, repository, reference string, limit int64) (Manifest, error) {
	var manifest Manifest
	err := r.ask(ctx, as, http.MethodGet, manifestURL(repository, reference), manifestHeader(), func(resp *http.Response) error {
		body, err := readBody(resp, limit)
		if err != nil {
			return err
		}
		if (redirected(resp) || IsPage(resp)) && !looksLikeManifest(body) {
			return fmt.Errorf("%w: no manifest", ErrInvalid)
		}
		sum, err := checkDigest(reference, resp.Header.Get("Docker-Content-Digest"), body)
		if err != nil {
			return err
		}
		mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if err != nil {
			mediaType = ""
		}
		manifest = Manifest{MediaType: mediaType, Digest: sum, Body: body}
		return nil
	})
	if err != nil {
		return Manifest{}, fmt.Errorf("fetch manifest %s of %s: %w", reference, repository, err)
	}
	return manifest, nil
}

// looksLikeManifest tells a manifest from whatever else a redirect may lead to, or
// a server that is no registry answers with. Of a tag no digest says so.
func looksLikeManifest(body []byte) bool {
	var document struct {
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
	}
	return json.Unmarshal(body, &document) == nil && (document.SchemaVersion > 0 || document.MediaType != "")
}

// checkDigest returns the digest of body, proven against what was asked for
// or else what the registry stated.
func checkDigest(reference, stated string, body []byte) (digest.Digest, error) {
	want, err := digest.Parse(reference)
	if err != nil {
		want, err = digest.Parse(stated)
	}
	if err != nil {
		return digest.FromBytes(body), nil
	}
	if got := want.Algorithm().FromBytes(body); got != want {
		return "", fmt.Errorf("%w: digest is %s, not %s", ErrInvalid, got, want)
	}
	return want, nil
}

// Has asks whether the registry has a manifest and lets the credentials read
// it. A registry may say that it has not where it should say that it won't; that
// it is a registry which says so is made sure of, see [Registry.ServesAPI].
//
// Errors: [ErrInvalid] where the answer is a page for people, [*Fault],
// [*StatusError], [ErrUnreachable].
func (r *Registry) Has(ctx context.Context, as Credentials, repository string, manifest digest.Digest) (bool, error) {
	_, err := r.Resolve(ctx, as, repository, manifest.String())
	if errors.Is(err, ErrNotFound) {
		return false, r.ServesAPI(ctx, repository)
	}
	return err == nil, err
}

// maxMoved is the largest manifest that is read to see that it is there.
const maxMoved = 16 << 20

// Resolve returns the digest that the registry states for a tag or digest,
// which is empty where it states none.
//
// Errors: [ErrNotFound], [ErrInvalid] where the answer is a page for people,
// [*StatusError], [ErrUnreachable].
func (r *Registry) Resolve(ctx context.Context, as Credentials, repository, reference string) (digest.Digest, error) {
	var stated digest.Digest
	moved := false
	err := r.ask(ctx, as, http.MethodHead, manifestURL(repository, reference), manifestHeader(), func(resp *http.Response) error {
		moved = redirected(resp) || IsPage(resp)
		if d, err := digest.Parse(resp.Header.Get("Docker-Content-Digest")); err == nil {
			stated = d
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look up manifest %s of %s: %w", reference, repository, err)
	}
	if moved {
		// A page to sign in on is there for everybody, and so is one of a server that
		// is no registry.
		manifest, err := r.Manifest(ctx, as, repository, reference, maxMoved)
		return manifest.Digest, err
	}
	return stated, nil
}

func manifestURL(repository, reference string) *url.URL {
	return &url.URL{Path: "/v2/" + repository + "/manifests/" + reference}
}

func manifestHeader() http.Header {
	return http.Header{"Accept": {manifestTypes}}
}
