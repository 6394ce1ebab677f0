package trust

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/strictjson"
)

// simpleSigning is a payload of simple signing: what is signed of an image
// (containers/image, docs/containers-signature.5.md; sigstore/cosign,
// specs/SIGNATURE_SPEC.md).
type simpleSigning struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

// payloadDepth is how deep a payload may be nested: annotations may be anything.
const payloadDepth = 32

// parseSimpleSigning returns the digest that a payload is about. A payload that two
// readers could take for different things is refused.
func parseSimpleSigning(payload []byte) (digest.Digest, error) {
	shape := &strictjson.Shape{Fields: []strictjson.Field{{Name: "critical", Shape: &strictjson.Shape{Fields: []strictjson.Field{
		{Name: "type"},
		{Name: "identity", Shape: &strictjson.Shape{Fields: []strictjson.Field{{Name: "docker-reference"}}}},
		{Name: "image", Shape: &strictjson.Shape{Fields: []strictjson.Field{{Name: "docker-manifest-digest"}}}},
	}}}}}
	if err := strictjson.Check(payload, shape, strictjson.Bound{Name: "the depth of a payload", Most: payloadDepth}); err != nil {
		return "", err
	}
	var read simpleSigning
	if err := json.Unmarshal(payload, &read); err != nil {
		return "", err
	}
	// cosign writes the first, container tools and later versions of cosign the others.
	switch read.Critical.Type {
	case "cosign container image signature", "atomic container signature", "https://sigstore.dev/cosign/sign/v1":
	default:
		return "", fmt.Errorf("its type is %q, and not that of a signature of an image", read.Critical.Type)
	}
	if err := read.Critical.Image.Digest.Validate(); err != nil {
		return "", fmt.Errorf("its docker-manifest-digest: %w", err)
	}
	return read.Critical.Image.Digest, nil
}
