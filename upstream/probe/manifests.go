package probe

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// checkPush pushes a manifest by its digest, and judges by whether the registry takes
// it.
func (s *scene) checkPush(ctx context.Context, m manifest) Finding {
	pushed := s.pushManifest(ctx, digest.FromBytes(m.bytes()).String(), m, nil)
	switch {
	case pushed.done():
		return pushed.yes("")
	case pushed.unclear() != "":
		return pushed.odd()
	default:
		return pushed.no("")
	}
}

// checkIndex tells whether the registry takes an OCI index.
func (s *scene) checkIndex(ctx context.Context) Finding {
	return s.checkPush(ctx, manifest{
		SchemaVersion: 2, MediaType: oci.MediaTypeImageIndex, Manifests: []oci.Descriptor{*s.descriptor(s.image)},
		Annotations: map[string]string{annotationProbe: s.Nonce + " index"},
	})
}

// checkArtifactType tells whether it takes a manifest with an artifact type that
// nobody knows.
func (s *scene) checkArtifactType(ctx context.Context) Finding {
	artifact := s.variant("artifact type")
	artifact.ArtifactType = typeArtifact
	return s.checkPush(ctx, artifact)
}

// checkEmptyConfig tells whether it takes a manifest with the empty config
// (image-spec, "Guidelines for Artifact Usage").
func (s *scene) checkEmptyConfig(ctx context.Context) Finding {
	config := describe(typeEmpty, []byte(empty))
	if found := s.pushEmpty(ctx, config.Digest); found != nil {
		return *found
	}
	artifact := s.variant("empty config")
	artifact.ArtifactType, artifact.Config = typeArtifact, &config
	return s.checkPush(ctx, artifact)
}

// pushEmpty sees to it that the blob of the empty config is there, which all artifacts
// of a repository share: it is removed only from a repository that had neither it nor
// a tag.
func (s *scene) pushEmpty(ctx context.Context, sum digest.Digest) *Finding {
	before := s.ask(ctx, s.repository, question{method: http.MethodHead, url: blobURL(s.repository, sum)})
	if before.done() {
		return nil
	}
	kept := s.traces.blobs
	pushed := s.pushBlob(ctx, s.repository, []byte(empty), sum)
	if !pushed.done() {
		f := pushed.odd()
		return &f
	}
	if !s.fresh || before.status != http.StatusNotFound {
		s.traces.blobs = kept
		s.traces.shared = append(s.traces.shared, "blob "+sum.String()+" of "+s.repository+" (the empty config, which others may use by now)")
	}
	return nil
}

// checkAbsentSubject tells whether it takes a referrer before its subject.
func (s *scene) checkAbsentSubject(ctx context.Context) Finding {
	referrer := s.variant("absent subject")
	referrer.Subject = &oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: s.nowhere(), Size: 1}
	return s.checkPush(ctx, referrer)
}
