package trust

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/backref/backref/trust/claim"
)

// Annotations of cosign 2 on the layer of a signature (sigstore/cosign,
// specs/SIGNATURE_SPEC.md). The chain is not read: authorities are those of the
// trusted root.
const (
	annotationSignature = "dev.cosignproject.cosign/signature"
	annotationLog       = "dev.sigstore.cosign/bundle"
	annotationTimestamp = "dev.sigstore.cosign/rfc3161timestamp"
)

// bundleVersion is the version of bundles that asks of log entries what cosign 2
// kept of them: the promise to include them, and no proof.
const bundleVersion = "application/vnd.dev.sigstore.bundle+json;version=0.1"

// rekorBundle is what cosign 2 kept of a log entry.
type rekorBundle struct {
	SignedEntryTimestamp []byte
	Payload              struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogIndex       int64  `json:"logIndex"`
		LogID          string `json:"logID"`
	}
}

// parseCosign reads a signature of cosign 2: the payload, and the signature of it in
// annotations.
func parseCosign(annotations map[string]string, payload []byte) (*sigstoreStatement, error) {
	about, err := parseSimpleSigning(payload)
	if err != nil {
		return nil, err
	}
	signed, err := base64.StdEncoding.DecodeString(annotations[annotationSignature])
	if err != nil || len(signed) == 0 {
		return nil, fmt.Errorf("its annotation %s holds no signature", annotationSignature)
	}
	sum := sha256.Sum256(payload)
	read, err := converted(claim.FormatCosign, annotations, &protobundle.Bundle{Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
		MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]}, Signature: signed,
	}}})
	if err != nil {
		return nil, err
	}
	read.signed, read.subjects = payload, []digest.Digest{about}
	return read, nil
}

// envelope is a DSSE envelope (secure-systems-lab/dsse, envelope.md).
type envelope struct {
	PayloadType string `json:"payloadType"`
	Payload     []byte `json:"payload"`
	Signatures  []struct {
		KeyID     string `json:"keyid"`
		Signature []byte `json:"sig"`
	} `json:"signatures"`
}

// parseEnvelope reads an attestation of cosign 2. As in a bundle, one signature
// counts: more are refused.
func parseEnvelope(annotations map[string]string, body []byte) (*sigstoreStatement, error) {
	var parsed envelope
	if err := json.Unmarshal(body, &parsed); err != nil {
		return nil, err
	}
	if len(parsed.Signatures) != 1 {
		return nil, fmt.Errorf("it has %d signatures; one is read", len(parsed.Signatures))
	}
	read, err := converted(claim.FormatEnvelope, annotations, &protobundle.Bundle{Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
		Payload: parsed.Payload, PayloadType: parsed.PayloadType,
		Signatures: []*protodsse.Signature{{Sig: parsed.Signatures[0].Signature, Keyid: parsed.Signatures[0].KeyID}},
	}}})
	if err != nil {
		return nil, err
	}
	return read, read.states(parsed.PayloadType, parsed.Payload)
}

// converted makes a bundle of what annotations say beside a signature.
func converted(format string, annotations map[string]string, content *protobundle.Bundle) (*sigstoreStatement, error) {
	material := &protobundle.VerificationMaterial{}
	var err error
	if material.TlogEntries, err = logEntries(annotations[annotationLog]); err != nil {
		return nil, err
	}
	if material.TimestampVerificationData, err = timestamps(annotations[annotationTimestamp]); err != nil {
		return nil, err
	}
	key := &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}}
	bare, err := bundled(content, material, key)
	if err != nil {
		return nil, err
	}
	named := bare
	if text := annotations[claim.AnnotationCertificate]; text != "" {
		leaf := claim.Certificate(text)
		if leaf == nil {
			return nil, errors.New("its certificate can't be read")
		}
		named, err = bundled(content, material, &protobundle.VerificationMaterial_X509CertificateChain{
			X509CertificateChain: &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{{RawBytes: leaf.Raw}}},
		})
		if err != nil {
			return nil, err
		}
	}
	read, err := newSigstoreStatement(format, named)
	if err != nil {
		return nil, err
	}
	read.bare = bare
	return read, nil
}

// bundled returns a bundle by a certificate or key.
func bundled(content *protobundle.Bundle, material *protobundle.VerificationMaterial, by any) (*bundle.Bundle, error) {
	whole := &protobundle.Bundle{MediaType: bundleVersion, Content: content.Content, VerificationMaterial: &protobundle.VerificationMaterial{
		TlogEntries: material.TlogEntries, TimestampVerificationData: material.TimestampVerificationData,
	}}
	switch by := by.(type) {
	case *protobundle.VerificationMaterial_PublicKey:
		whole.VerificationMaterial.Content = by
	case *protobundle.VerificationMaterial_X509CertificateChain:
		whole.VerificationMaterial.Content = by
	}
	return bundle.NewBundle(whole)
}

// logEntries reads what was kept of a log entry; empty for none.
func logEntries(text string) ([]*protorekor.TransparencyLogEntry, error) {
	if text == "" {
		return nil, nil
	}
	var kept rekorBundle
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, fmt.Errorf("its log entry: %w", err)
	}
	var kind struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(kept.Payload.Body, &kind); err != nil {
		return nil, fmt.Errorf("its log entry: %w", err)
	}
	log, err := hex.DecodeString(kept.Payload.LogID)
	if err != nil {
		return nil, fmt.Errorf("its log entry: %w", err)
	}
	return []*protorekor.TransparencyLogEntry{{
		LogIndex: kept.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: log}, IntegratedTime: kept.Payload.IntegratedTime,
		KindVersion:       &protorekor.KindVersion{Kind: kind.Kind, Version: kind.Version},
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: kept.SignedEntryTimestamp},
		CanonicalizedBody: kept.Payload.Body,
	}}, nil
}

// timestamps reads a timestamp; empty for none.
func timestamps(text string) (*protobundle.TimestampVerificationData, error) {
	if text == "" {
		return nil, nil
	}
	var kept struct{ SignedRFC3161Timestamp []byte }
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, fmt.Errorf("its timestamp: %w", err)
	}
	return &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: kept.SignedRFC3161Timestamp}}}, nil
}
