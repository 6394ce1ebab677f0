package trust

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/result"
	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust/claim"
)

// notationSigner is a signer by certificates of an authority, as notation has them.
type notationSigner struct {
	verifier notation.Verifier
}

// storeName is how the trust policy of each signer calls its certificates.
const storeName = "signer"

// newNotationSigner returns a signer by a trust policy of one statement. What makes
// notation-go ask the network, revocation, is off.
func newNotationSigner(who Notation) (*notationSigner, error) {
	store := certificates{}
	var err error
	if store[truststore.TypeCA], err = parseCertificates(who.Certificates); err != nil {
		return nil, fmt.Errorf("the certificates: %w", err)
	}
	stores := []string{string(truststore.TypeCA) + ":" + storeName}
	if len(who.TimestampCertificates) > 0 {
		if store[truststore.TypeTSA], err = parseCertificates(who.TimestampCertificates); err != nil {
			return nil, fmt.Errorf("the certificates of timestamp authorities: %w", err)
		}
		stores = append(stores, string(truststore.TypeTSA)+":"+storeName)
	}
	policy := &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name: storeName, RegistryScopes: []string{"*"}, TrustStores: stores, TrustedIdentities: who.Identities,
		SignatureVerification: trustpolicy.SignatureVerification{
			VerificationLevel: trustpolicy.LevelStrict.Name, VerifyTimestamp: trustpolicy.OptionAfterCertExpiry,
			Override: map[trustpolicy.ValidationType]trustpolicy.ValidationAction{trustpolicy.TypeRevocation: trustpolicy.ActionSkip},
		},
	}}}
	made, err := verifier.NewWithOptions(policy, store, nil, verifier.VerifierOptions{RevocationCodeSigningValidator: offline{}, RevocationTimestampingValidator: offline{}})
	return &notationSigner{made}, err
}

// certificates is a trust store in memory.
type certificates map[truststore.Type][]*x509.Certificate

// GetCertificates returns the certificates of a type; there is one store of each.
func (c certificates) GetCertificates(_ context.Context, of truststore.Type, _ string) ([]*x509.Certificate, error) {
	return c[of], nil
}

// parseCertificates reads certificates in PEM that trust may begin with.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var read []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		read = append(read, certificate)
	}
	if len(read) == 0 {
		return nil, errors.New("hold no certificate in PEM")
	}
	return read, truststore.ValidateCertificates(read)
}

// offline asks nobody whether certificates are revoked.
type offline struct{}

// ValidateContext says of each certificate that it can't be revoked.
func (offline) ValidateContext(_ context.Context, of revocation.ValidateContextOptions) ([]*result.CertRevocationResult, error) {
	results := make([]*result.CertRevocationResult, len(of.CertChain))
	for i := range results {
		results[i] = &result.CertRevocationResult{Result: result.ResultNonRevokable, ServerResults: []*result.ServerResult{result.NewServerResult(result.ResultNonRevokable, "", nil)}}
	}
	return results, nil
}

// notationStatement is a signature of the Notary Project.
type notationStatement struct {
	claim     claim.Claim
	mediaType string
	envelope  []byte
	subject   digest.Digest
	chain     []*x509.Certificate
	expiry    time.Time
}

// parseNotation reads an envelope of notation, JWS or COSE by its media type.
func parseNotation(mediaType string, body []byte) (*notationStatement, error) {
	parsed, err := signature.ParseEnvelope(mediaType, body)
	if err != nil {
		return nil, err
	}
	content, err := parsed.Content()
	if err != nil {
		return nil, err
	}
	info := content.SignerInfo
	if len(info.CertificateChain) == 0 {
		return nil, errors.New("it has no certificate")
	}
	var payload struct {
		Target ocispec.Descriptor `json:"targetArtifact"`
	}
	if err := json.Unmarshal(content.Payload.Content, &payload); err != nil {
		return nil, fmt.Errorf("its payload: %w", err)
	}
	read := &notationStatement{
		mediaType: mediaType, envelope: body, subject: payload.Target.Digest, chain: info.CertificateChain, expiry: info.SignedAttributes.Expiry,
		claim: claim.Claim{Format: claim.FormatNotation}.By(info.CertificateChain[0]),
	}
	// Policies of notation name the subject, and not what it stands for.
	read.claim.Identity = info.CertificateChain[0].Subject.String()
	if at := info.SignedAttributes.SigningTime.UTC(); !at.IsZero() {
		read.claim.SignedAt = &at
	}
	return read, nil
}

func (s *notationStatement) claimed() claim.Claim { return s.claim }

func (s *notationStatement) elsewhere(subject digest.Digest) *doubt {
	if s.subject == subject {
		return nil
	}
	return ofAnother(s.subject)
}

func (s *notationStatement) provedBy(ctx context.Context, by *signer, subject oci.Descriptor) (proof, *doubt) {
	if by.notation == nil {
		return proof{}, stranger(s.claim)
	}
	outcome, err := by.notation.verifier.Verify(ctx,
		ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}, s.envelope,
		notation.VerifierVerifyOptions{ArtifactReference: "registry.invalid/repository@" + subject.Digest.String(), SignatureMediaType: s.mediaType})
	if err != nil {
		return proof{}, s.whyNot(outcome, by)
	}
	return proof{until: s.ends()}, nil
}

// ends returns when the first of what the signature rests on expires.
func (s *notationStatement) ends() time.Time {
	ends, now := s.expiry, time.Now()
	for _, certificate := range s.chain {
		// What has expired counts by a timestamp, for good.
		if certificate.NotAfter.After(now) && (ends.IsZero() || certificate.NotAfter.Before(ends)) {
			ends = certificate.NotAfter
		}
	}
	return ends
}

// whyNot says which check of notation-go a signature fails at.
func (s *notationStatement) whyNot(outcome *notation.VerificationOutcome, by *signer) *doubt {
	failed := func(format string, args ...any) *doubt { return &doubt{fmt.Sprintf(format, args...), weightClose} }
	if outcome == nil {
		return stranger(s.claim)
	}
	for _, check := range outcome.VerificationResults {
		if check.Error == nil {
			continue
		}
		switch check.Type {
		case trustpolicy.TypeIntegrity:
			return failed("the signature does not hold: %v", check.Error)
		case trustpolicy.TypeExpiry:
			return failed("the signature had to be used before %s", timeText(s.expiry))
		case trustpolicy.TypeAuthenticTimestamp:
			return s.untimely(by)
		default:
			return stranger(s.claim)
		}
	}
	return failed("signer %s can't be asked about it: it needs a plugin of notation, or signs another media type or size", by.name)
}

// untimely is the doubt about a signature at whose time a certificate was not valid.
func (s *notationStatement) untimely(by *signer) *doubt {
	for _, certificate := range s.chain {
		if now := time.Now(); now.After(certificate.NotAfter) {
			return &doubt{fmt.Sprintf("the certificate had expired at %s; no timestamp that signer %s trusts shows that it was signed before", timeText(certificate.NotAfter), by.name), weightClose}
		}
	}
	return &doubt{fmt.Sprintf("the certificate is valid from %s", timeText(s.chain[0].NotBefore)), weightClose}
}
