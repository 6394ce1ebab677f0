package artifact

import "time"

// The bounds of [Read]. What is beyond them is named in [Document.Cut].
const (
	// MaxBody is how many bytes of a document are read for its parts. Of a larger one
	// only the beginning is shown.
	MaxBody = 64 << 20
	// MaxDepth is how deep objects and arrays of a document may be nested.
	MaxDepth = 256
	// MaxEntries is how many packages an SBOM, findings a report and materials a
	// statement has.
	MaxEntries = 100_000
	// MaxFew is how many elements are kept of lists of which each entry has its own:
	// licences of a package, locations of a finding, digests of a material.
	MaxFew = 16
	// MaxDocuments is how many documents are read that stand side by side: lines of a
	// file, elements of an array.
	MaxDocuments = 64
	// MaxText is how many bytes a text has: a name, a version, a title. A longer one
	// ends in an ellipsis.
	MaxText = 2 << 10
	// MaxPretty is how many bytes [Document.Pretty] and [Document.Payload] have.
	MaxPretty = 1 << 20
	// MaxNested is how many documents are read in one another: a report in a
	// statement in an envelope in a bundle has four.
	MaxNested = 6
)

// Format says what a document is, by a word that stays.
type Format string

// The formats.
const (
	SPDXJSON      Format = "spdx-json"
	SPDXText      Format = "spdx-tagvalue"
	CycloneDXJSON Format = "cyclonedx-json"
	CycloneDXXML  Format = "cyclonedx-xml" // only recognised
	SyftJSON      Format = "syft-json"
	InToto        Format = "in-toto"
	DSSE          Format = "dsse"
	Sigstore      Format = "sigstore-bundle"
	SARIF         Format = "sarif"
	Trivy         Format = "trivy"
	Grype         Format = "grype"
	OpenVEX       Format = "openvex"
	SimpleSigning Format = "cosign-simplesigning"
	NotationJWS   Format = "notation-jws"  // only recognised
	NotationCOSE  Format = "notation-cose" // only recognised
	JSON          Format = "json"
	Text          Format = "text"
	// Archive is what is packed or compressed. It is not looked into.
	Archive Format = "archive"
	Binary  Format = "binary"
)

// Document is what an artifact says. All texts are the author's, valid UTF-8, and
// may hold anything else: who shows them has to make them harmless.
type Document struct {
	Format Format `json:"format"`
	// Version is that of the format, where the document tells.
	Version string `json:"version,omitempty"`

	// The parts that it has; a document within another counts too.
	SBOM       *SBOM       `json:"sbom,omitempty"`
	Statements []Statement `json:"statements,omitempty"`
	Report     *Report     `json:"report,omitempty"`
	Envelope   *Envelope   `json:"envelope,omitempty"`
	Bundle     *Bundle     `json:"bundle,omitempty"`
	Signed     *Signed     `json:"signed,omitempty"`

	// Pretty is the document for people: indented where it is JSON, its names in
	// their order; empty for archives and binaries.
	Pretty string `json:"pretty,omitempty"`
	// Payload is what an envelope holds, as Pretty.
	Payload string `json:"payload,omitempty"`
	// Cut says what is left out, and by which bound.
	Cut []string `json:"cut,omitempty"`
	// Doubts says where readers may take the document for different things: a name
	// that is given twice, say.
	Doubts []string `json:"doubts,omitempty"`
}

// Envelope is what surrounds a signed payload (DSSE, "envelope.md").
type Envelope struct {
	PayloadType string `json:"payloadType"`
	// KeyIDs are the hints of the signatures as to their keys; "" for none.
	KeyIDs []string `json:"keyIds,omitempty"`
}

// Signed is what a signature of cosign is about: the payload of simple signing
// (containers/image, "containers-signature.5").
type Signed struct {
	Type string `json:"type"`
	// Reference is the name that was signed, Digest the manifest.
	Reference string            `json:"reference,omitempty"`
	Digest    string            `json:"digest"`
	Optional  map[string]string `json:"optional,omitempty"`
}

// instant reads a time of RFC 3339; nil where the text is none.
func instant(text string) *time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	at = at.UTC()
	return &at
}
