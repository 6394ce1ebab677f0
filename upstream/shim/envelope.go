package shim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// What an envelope says of the manifest in it, as annotations.
const (
	// annotationEnvelope is the digest by which the manifest was pushed.
	annotationEnvelope = "io.backref.envelope"
	// annotationDigest is, of a layer, the digest by which the manifest names it, where
	// that is another one.
	annotationDigest = "io.backref.digest"
)

// maxMediaType is how long the media type of a manifest is at most: names have up to 127
// bytes on either side of the slash (RFC 6838, section 4.2).
const maxMediaType = 255

// envelopePrefix is what each envelope begins with, so that it is told from other
// manifests by its first bytes.
const envelopePrefix = `{"schemaVersion":2,"annotations":{"` + annotationEnvelope + `":"`

// envelope is a manifest of a kind that every registry takes, which holds one that
// the registry refuses: an image whose first layer is the refused manifest, byte for
// byte, and whose further layers are the blobs that this one names. So whatever keeps
// the blobs of an image keeps all of them. Equal manifests have equal envelopes.
type envelope struct {
	// Named is the digest that the manifest was pushed by, Kept that of the same bytes
	// as the registry's blob; they differ where they are of different algorithms.
	Named, Kept digest.Digest
	// MediaType is what the manifest was pushed with.
	MediaType string
	Size      int64
	// Blobs are those that the manifest names and the registry has.
	Blobs []envelopeBlob
}

// envelopeBlob is a blob that a manifest in an envelope names.
type envelopeBlob struct {
	// Named is how the manifest calls it, Kept how the registry does.
	Named, Kept digest.Digest
	Size        int64
}

// envelopeKind is a kind of image that envelopes can be.
type envelopeKind struct {
	manifest, config, layer string
}

// envelopeKinds are those that are tried, one after the other: registries from before
// the OCI's media types know Docker's only.
func envelopeKinds() []envelopeKind {
	return []envelopeKind{
		{oci.MediaTypeImageManifest, "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"},
		{oci.MediaTypeDockerImage, "application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"},
	}
}

// envelopeConfig is the config of all envelopes: of an image that runs nowhere.
const envelopeConfig = `{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`

// errNoEnvelope says that a manifest is no envelope.
var errNoEnvelope = errors.New("not an envelope")

// envelopeDocument is how an envelope is written. The order of its fields is part of
// its form.
type envelopeDocument struct {
	SchemaVersion int `json:"schemaVersion"`
	Annotations   struct {
		Envelope digest.Digest `json:"io.backref.envelope"`
		// MediaType is what the manifest was pushed with.
		MediaType string `json:"io.backref.envelope.mediaType"`
	} `json:"annotations"`
	MediaType string          `json:"mediaType"`
	Config    envelopeLayer   `json:"config"`
	Layers    []envelopeLayer `json:"layers"`
}

type envelopeLayer struct {
	MediaType   string            `json:"mediaType"`
	Size        int64             `json:"size"`
	Digest      digest.Digest     `json:"digest"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// encode writes an envelope of a kind.
func (e envelope) encode(kind envelopeKind) ([]byte, error) {
	doc := envelopeDocument{SchemaVersion: 2, MediaType: kind.manifest}
	doc.Annotations.Envelope, doc.Annotations.MediaType = e.Named, e.MediaType
	doc.Config = envelopeLayer{MediaType: kind.config, Size: int64(len(envelopeConfig)), Digest: digest.FromString(envelopeConfig)}
	doc.Layers = []envelopeLayer{{MediaType: kind.layer, Size: e.Size, Digest: e.Kept}}
	for _, blob := range e.Blobs {
		layer := envelopeLayer{MediaType: kind.layer, Size: blob.Size, Digest: blob.Kept}
		if blob.Named != blob.Kept {
			layer.Annotations = map[string]string{annotationDigest: blob.Named.String()}
		}
		doc.Layers = append(doc.Layers, layer)
	}
	return json.Marshal(doc)
}

// isEnvelope tells an envelope by its first bytes.
func isEnvelope(body []byte) bool {
	return bytes.HasPrefix(body, []byte(envelopePrefix))
}

// decodeEnvelope reads an envelope; anything else is errNoEnvelope.
func decodeEnvelope(body []byte) (envelope, error) {
	if !isEnvelope(body) {
		return envelope{}, errNoEnvelope
	}
	var doc envelopeDocument
	if err := json.Unmarshal(body, &doc); err != nil {
		return envelope{}, fmt.Errorf("%w: %w", errNoEnvelope, err)
	}
	if len(doc.Layers) == 0 {
		return envelope{}, fmt.Errorf("%w: it has no layer", errNoEnvelope)
	}
	if len(doc.Layers) > 1+maxParts {
		return envelope{}, fmt.Errorf("%w: it has more layers than one can have", errNoEnvelope)
	}
	first := doc.Layers[0]
	e := envelope{Named: doc.Annotations.Envelope, Kept: first.Digest, MediaType: doc.Annotations.MediaType, Size: first.Size}
	if err := errors.Join(oci.CheckDigest(e.Named), oci.CheckDigest(e.Kept)); err != nil {
		return envelope{}, fmt.Errorf("%w: %w", errNoEnvelope, err)
	}
	if len(e.MediaType) > maxMediaType || strings.ContainsFunc(e.MediaType, func(c rune) bool { return c < ' ' || c > '~' }) {
		return envelope{}, fmt.Errorf("%w: the media type is none", errNoEnvelope)
	}
	for _, layer := range doc.Layers[1:] {
		blob := envelopeBlob{Named: layer.Digest, Kept: layer.Digest, Size: layer.Size}
		if named := layer.Annotations[annotationDigest]; named != "" {
			blob.Named = digest.Digest(named)
		}
		if err := errors.Join(oci.CheckDigest(blob.Named), oci.CheckDigest(blob.Kept)); err != nil {
			return envelope{}, fmt.Errorf("%w: %w", errNoEnvelope, err)
		}
		e.Blobs = append(e.Blobs, blob)
	}
	return e, nil
}
