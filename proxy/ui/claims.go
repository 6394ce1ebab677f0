package ui

import (
	"context"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// maxBundle bounds the bundle that is read for what it claims, in bytes.
const maxBundle = 1 << 20

// claims returns what an artifact says of who signed it; nothing of it is verified.
func (v *visit) claims(ctx context.Context, d oci.Descriptor) []string {
	m, err := v.repo.Manifest(ctx, d.Digest.String())
	if err != nil {
		return nil
	}
	if signer := client.Signer(m); signer != "" {
		return []string{signer}
	}
	contents, err := m.Contents()
	if err != nil {
		return nil
	}
	for _, layer := range contents.Layers {
		if isBundle(layer) {
			return v.bundleClaims(ctx, layer)
		}
	}
	return nil
}

// isBundle reports whether a layer says that it is a Sigstore bundle.
func isBundle(layer ocispec.Descriptor) bool {
	return strings.HasPrefix(layer.MediaType, "application/vnd.dev.sigstore.bundle")
}

// bundleClaims reads who a bundle says it is by.
func (v *visit) bundleClaims(ctx context.Context, layer ocispec.Descriptor) []string {
	body, err := v.repo.SmallBlob(ctx, layer, maxBundle)
	if err != nil {
		return nil
	}
	bundle := artifact.Read(layer.MediaType, body).Bundle
	switch {
	case bundle == nil:
		return nil
	case bundle.Certificate == nil && bundle.KeyHint != "":
		return []string{"key " + bundle.KeyHint}
	case bundle.Certificate == nil:
		return nil
	}
	var claims []string
	for _, identity := range bundle.Certificate.Identities {
		if bundle.Certificate.Issuer != "" {
			identity += " (by " + bundle.Certificate.Issuer + ")"
		}
		claims = append(claims, identity)
	}
	return claims
}
