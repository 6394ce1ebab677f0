package registry

import (
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
)

// ReadPushed reads a manifest that is pushed to a reference with a media type.
// known is false for what can't be read: that is left to the upstream to judge,
// unless the upstream may read something else there than backref does, or the
// manifest has a subject: then the client would believe a referrer pushed that
// no listing can show, and the error is an [*oci.Error]. So it is for a manifest
// that is of another digest than it is pushed by.
func (r *Registry) ReadPushed(mediaType string, reference Reference, body []byte) (m index.Manifest, known bool, err error) {
	algorithm := digest.Canonical
	if reference.Digest != "" {
		algorithm = reference.Digest.Algorithm()
	}
	m, err = r.Limits().Manifest.Parse(mediaType, algorithm, body)
	switch {
	case unsafe(err):
		return m, false, oci.BadRequest(oci.CodeManifestInvalid, err.Error())
	case err != nil && index.HasSubject(body):
		return m, false, oci.BadRequest(oci.CodeManifestInvalid, "the manifest has a subject but can't be read: "+err.Error())
	}
	if reference.Digest != "" {
		sum := m.Digest
		if err != nil {
			sum = algorithm.FromBytes(body)
		}
		if sum != reference.Digest {
			// A registry that does not look would serve it by that digest from then on.
			return m, false, oci.BadRequest(oci.CodeDigestInvalid,
				fmt.Sprintf("the manifest is of digest %s: push it by that one, or by a tag", sum))
		}
	}
	if err != nil {
		return m, false, nil //nolint:nilerr // It is for the upstream to judge.
	}
	return m, true, r.checkListable(m)
}

// unsafe tells whether others may find a manifest where backref found none.
func unsafe(err error) bool {
	return errors.Is(err, strictjson.ErrSyntax) || errors.Is(err, strictjson.ErrAmbiguous) || errors.Is(err, strictjson.ErrLimit)
}

// maxArtifactType is the longest artifact type of a referrer: a media type of
// two names (RFC 6838, section 4.2).
const maxArtifactType = 127 + 1 + 127

// checkListable refuses a referrer whose descriptor would be too much for a
// listing, even where that leaves annotations out.
func (r *Registry) checkListable(manifest index.Manifest) error {
	if manifest.Subject() == "" {
		return nil
	}
	if len(manifest.ArtifactType) > maxArtifactType {
		return oci.BadRequest(oci.CodeManifestInvalid, fmt.Sprintf("the artifact type is longer than %d bytes, which no media type is", maxArtifactType))
	}
	size := 0
	for name, value := range manifest.Annotations {
		size += len(name) + len(value)
	}
	if most := r.Limits().Annotations; int64(size) > most {
		refusal := oci.BadRequest(oci.CodeManifestInvalid,
			fmt.Sprintf("the annotations of a manifest with a subject are more than %s, which listings would have to carry: put it into a blob", r.SizeText(most)))
		refusal.Limit = "limits.referrerAnnotations"
		return refusal
	}
	return nil
}
