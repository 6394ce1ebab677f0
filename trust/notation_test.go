package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/notaryproject/notation-core-go/signature"

	"github.com/backref/backref/oci"
)

// notary signs as notation does.
type notary struct {
	t           *testing.T
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// newNotary returns one with a self-signed certificate, valid until a time.
func newNotary(t *testing.T, until time.Time) notary {
	t.Helper()
	key := ecKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "release", Organization: []string{"example"}, Country: []string{"US"}, Province: []string{"WA"}},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true,
	}
	return notary{t, key, must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)))(t)}
}

func (n notary) signer(identities ...string) Signer {
	return Signer{Name: "notary", Notation: &Notation{Certificates: certificatePEM(n.certificate), Identities: identities}}
}

// sign returns an envelope about a subject.
func (n notary) sign(mediaType string, subject oci.Descriptor, expiry time.Time) []byte {
	n.t.Helper()
	payload := must(json.Marshal(map[string]any{"targetArtifact": map[string]any{"mediaType": subject.MediaType, "digest": subject.Digest, "size": subject.Size}}))(n.t)
	local := must(signature.NewLocalSigner([]*x509.Certificate{n.certificate}, crypto.PrivateKey(n.key)))(n.t)
	made := must(signature.NewEnvelope(mediaType))(n.t)
	return must(made.Sign(&signature.SignRequest{
		Payload: signature.Payload{ContentType: "application/vnd.cncf.notary.payload.v1+json", Content: payload}, Signer: local,
		SigningTime: n.certificate.NotBefore.Add(time.Hour).Truncate(time.Second), Expiry: expiry, SigningScheme: signature.SigningSchemeX509,
	}))(n.t)
}

func TestSignaturesOfNotation(t *testing.T) {
	offlineOnly(t)
	m := newRepository(t)
	image, another := m.image("app"), m.image("another")
	ours, expired, other := newNotary(t, time.Now().Add(24*time.Hour)), newNotary(t, time.Now().Add(-time.Hour)), newNotary(t, time.Now().Add(time.Hour))
	const jws, cose = "application/jose+json", "application/cose"
	of := func(n notary, mediaType string, signs oci.Descriptor, expiry time.Time) oci.Descriptor {
		return m.artifact(typeNotation, image, m.put(mediaType, n.sign(mediaType, signs, expiry), nil))
	}
	larger := image
	larger.Size++
	const subject = "x509.subject: C=US, ST=WA, O=example"
	for _, c := range []struct {
		name     string
		signer   Signer
		artifact oci.Descriptor
		reason   string
		verified bool
	}{
		{"JWS", ours.signer(subject), of(ours, jws, image, time.Time{}), "", true},
		{"COSE", ours.signer("*"), of(ours, cose, image, time.Time{}), "", true},
		{"another subject", ours.signer("x509.subject: C=US, ST=WA, O=other"), of(ours, jws, image, time.Time{}), "signed by CN=release,O=example", false},
		{"another certificate", ours.signer("*"), of(other, jws, image, time.Time{}), "signed by CN=release,O=example", false},
		{"expired certificate", expired.signer("*"), of(expired, jws, image, time.Time{}), "the certificate had expired at ", false},
		{"expired signature", ours.signer("*"), of(ours, jws, image, time.Now().Add(-time.Hour).Truncate(time.Second)), "the signature had to be used before ", false},
		{"another image", ours.signer("*"), of(ours, jws, another, time.Time{}), "the signature is of another digest: " + another.Digest.String(), false},
		{"another size", ours.signer("*"), of(ours, jws, larger, time.Time{}), "signer notary can't be asked about it", false},
		{"no envelope", ours.signer("*"), m.artifact(typeNotation, image, m.put(jws, []byte("{}"), nil)), "is no notation signature that can be read", false},
		{"another type", ours.signer("*"), m.artifact(typeNotation, image, m.put("text/plain", []byte("a"), nil)), "is no notation signature that can be read", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var by []string
			if c.verified {
				by = []string{"notary"}
			}
			got := m.judge(verifierOf(t, c.signer), image, c.artifact)
			want(t, got, c.reason, by...)
			if c.verified && (got.Until == nil || !got.Until.Equal(ours.certificate.NotAfter)) {
				t.Errorf("until %v, want %s", got.Until, ours.certificate.NotAfter)
			}
		})
	}
	t.Run("known by its digest alone", func(t *testing.T) {
		want(t, m.judge(verifierOf(t, ours.signer("*")), oci.Descriptor{Digest: image.Digest}, of(ours, jws, image, time.Time{})), "", "notary")
	})
	if _, err := New(Options{Signers: []Signer{ours.signer("x509.subject: CN=release")}}); err == nil {
		t.Error("an identity without organisation was taken")
	}
}
