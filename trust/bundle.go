package trust

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust/claim"
)

// sigstoreStatement is a signature that sigstore-go can check: a bundle, or what
// cosign 2 wrote, made into one.
type sigstoreStatement struct {
	claim claim.Claim
	// entity is the signature with the certificate or key hint that it names; bare is
	// the same as one by a key; nil where it can't be one.
	entity, bare *bundle.Bundle
	// leaf is the signing certificate; nil where it is by a key.
	leaf *x509.Certificate
	// message is what a signature of bytes says of them; nil for an envelope.
	message *protocommon.HashOutput
	// signed are these bytes.
	signed []byte
	// subjects are what it says that it is of.
	subjects []digest.Digest
}

// payloadInToto is the type of payload that names subjects (in-toto/attestation,
// spec/v1/envelope.md).
const payloadInToto = "application/vnd.in-toto+json"

// parseBundle reads a Sigstore bundle. One of a message does not say yet what it is
// of: see signs.
func parseBundle(body []byte) (*sigstoreStatement, error) {
	parsed := &bundle.Bundle{}
	if err := parsed.UnmarshalJSON(body); err != nil {
		return nil, err
	}
	read, err := newSigstoreStatement(claim.FormatBundle, parsed)
	if err != nil {
		return nil, err
	}
	if read.leaf == nil {
		read.bare = parsed
	}
	if envelope := parsed.GetDsseEnvelope(); envelope != nil {
		return read, read.states(envelope.GetPayloadType(), envelope.GetPayload())
	}
	if read.message = parsed.GetMessageSignature().GetMessageDigest(); read.message == nil {
		return nil, errors.New("it has no digest of the message that was signed")
	}
	return read, nil
}

// newSigstoreStatement returns the statement of a bundle, with what it claims.
func newSigstoreStatement(format string, parsed *bundle.Bundle) (*sigstoreStatement, error) {
	read := &sigstoreStatement{claim: claim.Claim{Format: format}, entity: parsed}
	material, err := parsed.VerificationContent()
	if err != nil {
		return nil, err
	}
	if read.leaf = material.Certificate(); read.leaf != nil {
		read.claim = read.claim.By(read.leaf)
	} else if key := material.PublicKey(); key != nil {
		read.claim.KeyHint = key.Hint()
	}
	entries, err := parsed.TlogEntries()
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if at := entry.IntegratedTime(); !at.IsZero() {
			at = at.UTC()
			read.claim.SignedAt = &at
			break
		}
	}
	return read, nil
}

// inTotoStatement is the part of a statement that is the same for all predicates
// (in-toto/attestation, spec/v1/statement.md).
type inTotoStatement struct {
	PredicateType string `json:"predicateType"`
	Subject       []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
}

// states reads the payload of an envelope.
func (s *sigstoreStatement) states(payloadType string, payload []byte) error {
	if payloadType != payloadInToto {
		return fmt.Errorf("its envelope holds %q, and not an in-toto statement", payloadType)
	}
	var stated inTotoStatement
	if err := json.Unmarshal(payload, &stated); err != nil {
		return fmt.Errorf("its statement: %w", err)
	}
	if stated.PredicateType == "" {
		// It would look like a signature of the subject itself.
		return errors.New("its statement has no predicateType")
	}
	s.claim.Predicate = stated.PredicateType
	for _, subject := range stated.Subject {
		for algorithm, sum := range subject.Digest {
			s.subjects = append(s.subjects, digest.NewDigestFromEncoded(digest.Algorithm(algorithm), sum))
		}
	}
	return nil
}

// signs says which bytes a signature of a message is to be of: those of a subject.
func (s *sigstoreStatement) signs(subject digest.Digest, body []byte) {
	s.signed = body
	hashes := map[protocommon.HashAlgorithm]crypto.Hash{
		protocommon.HashAlgorithm_SHA2_256: crypto.SHA256, protocommon.HashAlgorithm_SHA2_384: crypto.SHA384, protocommon.HashAlgorithm_SHA2_512: crypto.SHA512,
	}
	names := map[crypto.Hash]digest.Algorithm{crypto.SHA256: digest.SHA256, crypto.SHA384: digest.SHA384, crypto.SHA512: digest.SHA512}
	hash, ok := hashes[s.message.GetAlgorithm()]
	if !ok {
		return
	}
	sum := hash.New()
	_, _ = sum.Write(body)
	if bytes.Equal(sum.Sum(nil), s.message.GetDigest()) {
		s.subjects = []digest.Digest{subject}
		return
	}
	s.subjects = []digest.Digest{digest.NewDigestFromEncoded(names[hash], hex.EncodeToString(s.message.GetDigest()))}
}

func (s *sigstoreStatement) claimed() claim.Claim { return s.claim }

func (s *sigstoreStatement) elsewhere(subject digest.Digest) *doubt {
	for _, of := range s.subjects {
		if of == subject {
			return nil
		}
	}
	return ofAnother(s.subjects...)
}

func (s *sigstoreStatement) provedBy(_ context.Context, by *signer, subject oci.Descriptor) (proof, *doubt) {
	if by.sigstore == nil {
		return proof{}, stranger(s.claim)
	}
	return by.sigstore.proves(s, subject.Digest)
}

// of returns what sigstore-go has to compare the signature with.
func (s *sigstoreStatement) of(subject digest.Digest) (verify.ArtifactPolicyOption, error) {
	if s.signed != nil {
		return verify.WithArtifact(bytes.NewReader(s.signed)), nil
	}
	sum, err := hex.DecodeString(subject.Encoded())
	return verify.WithArtifactDigest(subject.Algorithm().String(), sum), err
}

// expires returns when the signing certificate does.
func (s *sigstoreStatement) expires() time.Time { return s.leaf.NotAfter }
