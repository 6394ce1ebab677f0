package claim

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"time"
)

// The values of [Claim.Format].
const (
	// FormatBundle is a Sigstore bundle, as cosign 3 and GitHub write it.
	FormatBundle = "sigstore bundle"
	// FormatCosign is a signature of cosign 2: a payload of simple signing, with the
	// signature in annotations.
	FormatCosign = "cosign signature"
	// FormatEnvelope is an attestation of cosign 2: a DSSE envelope.
	FormatEnvelope = "DSSE envelope"
	// FormatNotation is a signature of the Notary Project, in JWS or COSE.
	FormatNotation = "notation signature"
)

// Claim is what one signature says of itself. All of it is unverified, and empty
// where the signature does not say it.
type Claim struct {
	Format string `json:"format"`
	// Identity is whom the certificate names: an address, a URI such as that of a
	// workflow, or the subject of a certificate of notation.
	Identity string `json:"identity,omitempty"`
	// Issuer is who vouches for the identity: of a certificate by Fulcio the OpenID
	// Connect issuer, of others the subject of the authority.
	Issuer string `json:"issuer,omitempty"`
	// KeyHint is what tells which key it was, where there is no certificate.
	KeyHint string `json:"keyHint,omitempty"`
	// Thumbprint is the SHA-256 of the signing certificate, in hexadecimal letters.
	Thumbprint string `json:"thumbprint,omitempty"`
	// SignedAt is when it was signed.
	SignedAt *time.Time `json:"signedAt,omitempty"`
	// Predicate is the type of an attestation's statement.
	Predicate string `json:"predicate,omitempty"`
}

// Signer returns who is said to have signed, in one word for people; empty where
// the claim does not say.
func (c Claim) Signer() string {
	switch {
	case c.Identity != "":
		return c.Identity
	case c.Thumbprint != "":
		return "x509 " + shortened(c.Thumbprint)
	case c.KeyHint != "":
		return "key " + c.KeyHint
	default:
		return ""
	}
}

// shortened cuts a thumbprint to what people compare.
func shortened(thumbprint string) string {
	const shown = 16
	return thumbprint[:min(len(thumbprint), shown)]
}

// Object identifiers of Fulcio's certificates by which the issuer is named
// (sigstore/fulcio, docs/oid-info.md): the first as bare text, the second in DER.
const (
	oidIssuerText = "1.3.6.1.4.1.57264.1.1"
	oidIssuer     = "1.3.6.1.4.1.57264.1.8"
)

// By adds to a claim what a signing certificate says.
func (c Claim) By(certificate *x509.Certificate) Claim {
	sum := sha256.Sum256(certificate.Raw)
	c.Identity, c.Issuer, c.Thumbprint = Identity(certificate), Issuer(certificate), hex.EncodeToString(sum[:])
	return c
}

// Identity returns whom a certificate names: the first URI or address, else the
// common name, else the whole subject.
func Identity(certificate *x509.Certificate) string {
	switch {
	case len(certificate.URIs) > 0:
		return certificate.URIs[0].String()
	case len(certificate.EmailAddresses) > 0:
		return certificate.EmailAddresses[0]
	default:
		return cmp.Or(certificate.Subject.CommonName, certificate.Subject.String())
	}
}

// Issuer returns who vouches for the identity in a certificate.
func Issuer(certificate *x509.Certificate) string {
	issuer := certificate.Issuer.String()
	for _, extension := range certificate.Extensions {
		switch extension.Id.String() {
		case oidIssuer:
			var text string
			if rest, err := asn1.Unmarshal(extension.Value, &text); err == nil && len(rest) == 0 {
				return text
			}
		case oidIssuerText:
			issuer = string(extension.Value)
		}
	}
	return issuer
}

// Certificate returns the first certificate of a PEM text; nil where there is none
// that can be read.
func Certificate(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return certificate
}

// Annotations by which tools say who signed.
const (
	// AnnotationThumbprints is notation's, on the manifest: a JSON array of the
	// thumbprints of the chain (signature-specification, "Signature Manifest").
	AnnotationThumbprints = "io.cncf.notary.x509chain.thumbprint#S256"
	// AnnotationCertificate is cosign's, on the layer: the certificate in PEM.
	AnnotationCertificate = "dev.sigstore.cosign/certificate"
)

// Annotated returns what the annotations of a manifest and those of its layers say
// of who signed; the zero Claim where they say nothing. No content is needed.
func Annotated(manifest map[string]string, layers []map[string]string) Claim {
	for _, annotations := range layers {
		if certificate := Certificate(annotations[AnnotationCertificate]); certificate != nil {
			return Claim{Format: FormatCosign}.By(certificate)
		}
	}
	prints := strings.Trim(manifest[AnnotationThumbprints], `[]"`)
	if prints == "" {
		return Claim{}
	}
	leaf, _, _ := strings.Cut(prints, `"`)
	return Claim{Format: FormatNotation, Thumbprint: leaf}
}
