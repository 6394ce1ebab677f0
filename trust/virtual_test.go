package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// virtual is a Sigstore of the test: an authority for certificates, and a log.
type virtual struct {
	t         *testing.T
	authority *x509.Certificate
	key, log  *ecdsa.PrivateKey
	// now is when certificates are issued and entries logged.
	now time.Time
}

func newVirtual(t *testing.T) *virtual {
	t.Helper()
	v := &virtual{t: t, key: ecKey(t), log: ecKey(t), now: time.Now().Add(-time.Hour)}
	v.authority = v.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, NotBefore: v.now.Add(-24 * time.Hour), NotAfter: v.now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, &v.key.PublicKey)
	return v
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
}

// must returns a value, and ends the test where there is none.
func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func (v *virtual) issue(template *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	v.t.Helper()
	template.SerialNumber = big.NewInt(1)
	parent := v.authority
	if parent == nil {
		parent = template
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key, v.key))(v.t)))(v.t)
}

// leaf returns a certificate of an identity that is valid for ten minutes.
func (v *virtual) leaf(identity, issuer string) (*x509.Certificate, *ecdsa.PrivateKey) {
	v.t.Helper()
	key := ecKey(v.t)
	return v.issue(&x509.Certificate{
		URIs: []*url.URL{must(url.Parse(identity))(v.t)}, NotBefore: v.now, NotAfter: v.now.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: must(asn1.Marshal(issuer))(v.t)}},
	}, &key.PublicKey), key
}

func (v *virtual) logID() []byte {
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(&v.log.PublicKey))(v.t))
	return sum[:]
}

// root returns the trusted_root.json.
func (v *virtual) root() []byte {
	v.t.Helper()
	id := v.logID()
	trusted := must(root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: v.authority, URI: "https://fulcio.example", ValidityPeriodStart: v.now.Add(-24 * time.Hour)}}, nil, nil,
		map[string]*root.TransparencyLog{hex.EncodeToString(id): {
			BaseURL: "https://rekor.example", ID: id, HashFunc: crypto.SHA256, PublicKey: &v.log.PublicKey, SignatureHashFunc: crypto.SHA256, ValidityPeriodStart: v.now.Add(-24 * time.Hour),
		}}))(v.t)
	return must(trusted.MarshalJSON())(v.t)
}

// entry returns what the log promised of a signature of a payload, as cosign 2 keeps
// it in an annotation.
func (v *virtual) entry(payload, signed, certificate []byte, at time.Time) string {
	v.t.Helper()
	sum := sha256.Sum256(payload)
	body := must(json.Marshal(map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
		"signature": map[string]any{"content": signed, "publicKey": map[string]any{"content": certificate}},
	}}))(v.t)
	promised := struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogID          string `json:"logID"`
		LogIndex       int64  `json:"logIndex"`
	}{body, at.Unix(), hex.EncodeToString(v.logID()), 7}
	return string(must(json.Marshal(map[string]any{"SignedEntryTimestamp": sign(v.t, v.log, must(json.Marshal(promised))(v.t)), "Payload": promised}))(v.t))
}

func sign(t *testing.T, key *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	return must(ecdsa.SignASN1(rand.Reader, key, sum[:]))(t)
}

func certificatePEM(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

func publicPEM(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))(t)})
}

func encoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
