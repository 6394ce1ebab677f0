package trust

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// sigstoreSigner is a signer by a key, or by an identity in certificates of Fulcio.
type sigstoreSigner struct {
	name string
	now  func() time.Time
	// key is nil for an identity.
	key      *publicKey
	hint     string
	identity verify.CertificateIdentity
	needsLog bool
	material root.TrustedMaterial
	// What a signature is checked by: an entry of a log, a timestamp, or the present
	// time, where a key needs none of them.
	logged, stamped, present *verify.Verifier
}

// newKeySigner returns a signer by a public key in PEM.
func newKeySigner(text, trustedRoot []byte, needsLog bool) (*sigstoreSigner, error) {
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	s := &sigstoreSigner{key: key, needsLog: needsLog}
	if s.hint, err = key.hint(); err != nil {
		return nil, err
	}
	always := root.NewExpiringKey(key, time.Time{}, time.Time{})
	material := root.TrustedMaterialCollection{root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return always, nil })}
	if needsLog {
		trusted, err := parseRoot(trustedRoot)
		if err != nil {
			return nil, err
		}
		material = append(material, trusted)
	}
	s.material = material
	if s.logged, err = verify.NewVerifier(material, verify.WithTransparencyLog(1), verify.WithNoObserverTimestamps()); err != nil {
		return nil, err
	}
	s.present, err = verify.NewVerifier(material, verify.WithNoObserverTimestamps())
	return s, err
}

// newIdentitySigner returns a signer by certificates.
func newIdentitySigner(who Identity, trustedRoot []byte, needsLog bool) (*sigstoreSigner, error) {
	trusted, err := parseRoot(trustedRoot)
	if err != nil {
		return nil, err
	}
	if len(trusted.FulcioCertificateAuthorities()) == 0 {
		return nil, errors.New("the trusted root has no certificate authority")
	}
	whole := ""
	if who.Regexp != "" {
		if _, err := regexp.Compile(who.Regexp); err != nil {
			return nil, fmt.Errorf("the identity: %w", err)
		}
		whole = `\A(?:` + who.Regexp + `)\z`
	}
	s := &sigstoreSigner{needsLog: needsLog, material: trusted}
	if s.identity, err = verify.NewShortCertificateIdentity(who.Issuer, "", who.Subject, whole); err != nil {
		return nil, fmt.Errorf("the identity: %w", err)
	}
	var further []verify.VerifierOption
	if len(trusted.CTLogs()) > 0 {
		further = append(further, verify.WithSignedCertificateTimestamps(1))
	}
	with := func(options ...verify.VerifierOption) *verify.Verifier {
		var made *verify.Verifier
		if err == nil {
			made, err = verify.NewVerifier(trusted, append(options, further...)...)
		}
		return made
	}
	s.logged = with(verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	s.stamped = with(verify.WithSignedTimestamps(1))
	s.present = with(verify.WithCurrentTime())
	return s, err
}

func parseRoot(text []byte) (*root.TrustedRoot, error) {
	trusted, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		return nil, fmt.Errorf("the trusted root: %w", err)
	}
	return trusted, nil
}

// proves returns the proof that the signer made a signature.
func (s *sigstoreSigner) proves(of *sigstoreStatement, subject digest.Digest) (proof, *doubt) {
	if s.key != nil {
		return proof{}, s.keyDoubt(of, subject)
	}
	if of.leaf == nil {
		return proof{}, stranger(of.claim)
	}
	named, err := certificate.SummarizeCertificate(of.leaf)
	if err != nil || s.identity.Verify(named) != nil {
		return proof{}, stranger(of.claim)
	}
	if s.needsLog && len(of.entity.GetVerificationMaterial().GetTlogEntries()) == 0 {
		return proof{}, s.unlogged()
	}
	return s.provesIdentity(of, subject)
}

// provesIdentity checks a signature by all that tells when it was made. The time
// decides, since certificates of Fulcio last for minutes.
func (s *sigstoreSigner) provesIdentity(of *sigstoreStatement, subject digest.Digest) (proof, *doubt) {
	var tries []*verify.Verifier
	if s.needsLog || len(of.entity.GetVerificationMaterial().GetTlogEntries()) > 0 {
		tries = append(tries, s.logged)
	}
	if !s.needsLog && len(of.entity.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps()) > 0 {
		tries = append(tries, s.stamped)
	}
	var reason *doubt
	for _, try := range tries {
		if s.check(try, of.entity, of, subject) == nil {
			return proof{}, nil
		}
		reason = reason.heavier(s.whyNot(try, of))
	}
	if s.needsLog {
		return proof{}, reason
	}
	now := s.now()
	if expired := of.expires(); now.After(expired) {
		return proof{}, reason.heavier(&doubt{fmt.Sprintf("the certificate had expired at %s; no timestamp that signer %s trusts shows that it was signed before", timeText(expired), s.name), weightClose})
	}
	if s.check(s.present, of.entity, of, subject) == nil {
		return proof{until: of.expires()}, nil
	}
	return proof{}, reason.heavier(s.whyNot(s.present, of))
}

// keyDoubt returns why a signature is not one by the signer's key; nil where it is.
func (s *sigstoreSigner) keyDoubt(of *sigstoreStatement, subject digest.Digest) *doubt {
	if of.bare == nil {
		return stranger(of.claim)
	}
	if s.check(s.present, of.bare, of, subject) != nil {
		if of.claim.KeyHint == s.hint {
			return &doubt{fmt.Sprintf("names the key of signer %s, but is not signed by it", s.name), weightClose}
		}
		return stranger(of.claim)
	}
	switch {
	case !s.needsLog:
		return nil
	case len(of.bare.GetVerificationMaterial().GetTlogEntries()) == 0:
		return s.unlogged()
	case s.check(s.logged, of.bare, of, subject) != nil:
		return s.wronglyLogged()
	default:
		return nil
	}
}

// check has sigstore-go check a signature.
func (s *sigstoreSigner) check(by *verify.Verifier, entity *bundle.Bundle, of *sigstoreStatement, subject digest.Digest) error {
	artifact, err := of.of(subject)
	if err != nil {
		return err
	}
	who := verify.WithKey()
	if s.key == nil {
		who = verify.WithCertificateIdentity(s.identity)
	}
	_, err = by.Verify(entity, verify.NewPolicy(artifact, who))
	return err
}

// whyNot finds the step that a signature with the right identity fails at.
func (s *sigstoreSigner) whyNot(by *verify.Verifier, of *sigstoreStatement) *doubt {
	logTimes, err := by.VerifyTransparencyLogInclusion(of.entity)
	if err != nil {
		return s.wronglyLogged()
	}
	times, err := by.VerifyObserverTimestamps(of.entity, logTimes)
	if err != nil {
		return s.close("no timestamp that signer %s trusts says when it was made", s.name)
	}
	for _, at := range times {
		chains, err := verify.VerifyLeafCertificate(at.Timestamp, of.leaf, s.material)
		switch {
		case err != nil && at.Timestamp.After(of.leaf.NotAfter):
			return s.close("the certificate had expired at %s, before it was signed at %s", timeText(of.leaf.NotAfter), timeText(at.Timestamp))
		case err != nil && at.Timestamp.Before(of.leaf.NotBefore):
			return s.close("the certificate was valid from %s, after it was signed at %s", timeText(of.leaf.NotBefore), timeText(at.Timestamp))
		case err != nil:
			return s.close("the certificate is of no authority that signer %s trusts", s.name)
		case len(s.material.CTLogs()) > 0 && verify.VerifySignedCertificateTimestamp(chains, 1, s.material) != nil:
			return s.close("the certificate is in no certificate log that signer %s trusts", s.name)
		}
	}
	return s.close("names signer %s, but the signature does not hold", s.name)
}

func (s *sigstoreSigner) unlogged() *doubt {
	return s.close("not in the transparency log, which signer %s requires", s.name)
}

func (s *sigstoreSigner) wronglyLogged() *doubt {
	return s.close("has no entry that holds in a transparency log that signer %s trusts", s.name)
}

// close is a doubt about a signature that is meant to be the signer's.
func (s *sigstoreSigner) close(format string, args ...any) *doubt {
	return &doubt{fmt.Sprintf(format, args...), weightClose}
}

// timeText writes a time as reasons have it.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }
