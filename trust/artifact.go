package trust

import (
	"encoding/json"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
	"github.com/backref/backref/trust/claim"
)

// Media types of what holds signatures.
const (
	// mediaTypeBundle begins that of Sigstore bundles, of whatever version
	// (sigstore/cosign, specs/BUNDLE_SPEC.md).
	mediaTypeBundle = "application/vnd.dev.sigstore.bundle"
	// mediaTypeSimpleSigning is that of payloads of cosign 2 (sigstore/cosign,
	// specs/SIGNATURE_SPEC.md).
	mediaTypeSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	// mediaTypeEnvelope is that of attestations of cosign 2 (sigstore/cosign,
	// specs/ATTESTATION_SPEC.md).
	mediaTypeEnvelope = "application/vnd.dsse.envelope.v1+json"
	// typeNotation is the artifact type of signatures of the Notary Project
	// (notaryproject/specifications, "Signature Specification").
	typeNotation = "application/vnd.cncf.notary.signature"
)

// Bounds of the manifest of a signature.
const (
	// maxSignatures is how many signatures of one artifact are looked at. cosign 2
	// keeps all of an image in one.
	maxSignatures = 64
	// manifestDepth is how deep such a manifest may be nested.
	manifestDepth = 32
)

// artifact is the manifest of a signature, as far as it counts here.
type artifact struct {
	ArtifactType string      `json:"artifactType"`
	Config       descriptor  `json:"config"`
	Layers       []layer     `json:"layers"`
	Blobs        []layer     `json:"blobs"`
	Subject      *descriptor `json:"subject"`
}

// descriptor is a descriptor without its annotations, which are anyone's.
type descriptor struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
}

// layer is a descriptor of what may hold a signature.
type layer struct {
	descriptor
	Annotations map[string]string `json:"annotations"`
	// format is that of package claim.
	format string
}

// shapeOfArtifact is what is interpreted of such a manifest.
func shapeOfArtifact() *strictjson.Shape {
	described := func() *strictjson.Shape {
		return &strictjson.Shape{Fields: []strictjson.Field{
			{Name: "mediaType"}, {Name: "digest"}, {Name: "size"}, {Name: "annotations", Shape: &strictjson.Shape{Every: true}},
		}}
	}
	return &strictjson.Shape{Fields: []strictjson.Field{
		{Name: "artifactType"}, {Name: "config", Shape: described()}, {Name: "subject", Shape: described()},
		{Name: "layers", Shape: described()}, {Name: "blobs", Shape: described()},
	}}
}

// parseArtifact reads a manifest and returns it with the layers that hold
// signatures. One that holds none, since it is something else, has no layers.
func parseArtifact(body []byte) (artifact, []layer, error) {
	var a artifact
	if err := strictjson.Check(body, shapeOfArtifact(), strictjson.Bound{Name: "the depth of a manifest", Most: manifestDepth}); err != nil {
		return a, nil, err
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, nil, err
	}
	var held []layer
	for _, l := range append(a.Layers, a.Blobs...) {
		if l.format = a.formatOf(l.MediaType); l.format != "" {
			held = append(held, l)
		}
	}
	return a, held, nil
}

// formatOf returns the format of the signature in a layer; empty for none.
func (a artifact) formatOf(mediaType string) string {
	switch {
	case a.ArtifactType == typeNotation || a.Config.MediaType == typeNotation:
		return claim.FormatNotation
	case strings.HasPrefix(mediaType, mediaTypeBundle):
		return claim.FormatBundle
	case mediaType == mediaTypeSimpleSigning:
		return claim.FormatCosign
	case mediaType == mediaTypeEnvelope:
		return claim.FormatEnvelope
	default:
		return ""
	}
}

// misplaced returns why an artifact is none of a subject's; nil where it is: by its
// own subject, or by the tag of cosign that it stands under.
func (a artifact) misplaced(listed oci.Descriptor, subject digest.Digest) *doubt {
	switch {
	case a.Subject != nil && a.Subject.Digest == subject:
		return nil
	case a.Subject != nil:
		return &doubt{"the artifact refers to " + a.Subject.Digest.String() + ", and not to this", weightOther}
	}
	if of, _ := oci.CosignTagOf(listed.Tag); of == subject && listed.Legacy {
		return nil
	}
	return &doubt{"the artifact refers to nothing", weightOther}
}
