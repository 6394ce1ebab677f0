package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// way is how a client signs by a key.
type way struct {
	name   string
	public crypto.PublicKey
	sign   func(message []byte) []byte
}

// waysToSign are those of all kinds of keys that count.
func waysToSign(t *testing.T) []way {
	t.Helper()
	hashed := func(hash crypto.Hash, message []byte) []byte {
		sum := hash.New()
		_, _ = sum.Write(message)
		return sum.Sum(nil)
	}
	by := func(name string, key crypto.Signer, hash crypto.Hash) way {
		return way{name, key.Public(), func(message []byte) []byte {
			return must(key.Sign(rand.Reader, hashed(hash, message), hash))(t)
		}}
	}
	on := func(curve elliptic.Curve) *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(curve, rand.Reader))(t) }
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large := must(rsa.GenerateKey(rand.Reader, leastRSA))(t)
	return []way{
		by("P-256", on(elliptic.P256()), crypto.SHA256),
		by("P-384 as cosign", on(elliptic.P384()), crypto.SHA256),
		by("P-384", on(elliptic.P384()), crypto.SHA384),
		by("P-521", on(elliptic.P521()), crypto.SHA512),
		by("RSA", large, crypto.SHA256),
		by("Ed25519 prehashed", private, crypto.SHA512),
		{"Ed25519", public, func(message []byte) []byte { return ed25519.Sign(private, message) }},
	}
}

// message is a Sigstore bundle of the bytes of a manifest, which are said to have a sum.
func (m *memory) message(by way, body, sum []byte) layer {
	m.t.Helper()
	return m.bundle(by.public, "messageSignature", map[string]any{
		"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum}, "signature": by.sign(body),
	})
}

func TestKeysOfEachKind(t *testing.T) {
	m := newRepository(t)
	image := m.image("app")
	body := m.content[image.Digest]
	sum := sha256.Sum256(body)
	for _, by := range waysToSign(t) {
		t.Run(by.name, func(t *testing.T) {
			v := verifierOf(t, keyed(t, "release", by.public))
			payload := payloadOf(image.Digest)
			for name, held := range map[string]layer{
				"cosign 2": m.put(mediaTypeSimpleSigning, payload, map[string]string{annotationSignature: encoded(by.sign(payload))}),
				"envelope": m.attestedBy(by.public, by.sign, image.Digest),
				"message":  m.message(by, body, sum[:]),
			} {
				t.Run(name, func(t *testing.T) {
					want(t, m.judge(v, image, m.artifact(typeBundle, image, held)), "", "release")
				})
			}
		})
	}
}

// A bundle of a message is of the manifest whose bytes were signed, and not of the one
// whose digest it states.
func TestBundlesOfMessages(t *testing.T) {
	m := newRepository(t)
	image, another := m.image("app"), m.image("another")
	body, other := m.content[image.Digest], m.content[another.Digest]
	by := waysToSign(t)[0]
	v := verifierOf(t, keyed(t, "release", by.public))
	sum, otherSum, long := sha256.Sum256(body), sha256.Sum256(other), sha512.Sum512(body)
	for _, c := range []struct {
		name   string
		held   layer
		reason string
		signed bool
	}{
		{"of the image", m.message(by, body, sum[:]), "", true},
		{"of another", m.message(by, other, otherSum[:]), "the signature is of another digest: " + another.Digest.String(), false},
		{"of another, as of the image", m.message(by, other, sum[:]), "names the key of signer release, but is not signed by it", false},
		{"of a sum of another length", m.message(by, body, long[:]), "the signature is of another digest: ", false},
		{"of no sum", m.bundle(by.public, "messageSignature", map[string]any{"signature": by.sign(body)}), "is no sigstore bundle that can be read", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var names []string
			if c.signed {
				names = []string{"release"}
			}
			want(t, m.judge(v, oci.Descriptor{Digest: image.Digest}, m.artifact(typeBundle, image, c.held)), c.reason, names...)
		})
	}
}

func TestKeysThatAreNotTaken(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))(t)
	curve := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))(t)
	pair := publicPEM(t, &ecKey(t).PublicKey)
	for name, c := range map[string]struct {
		key  []byte
		says string
	}{
		"small":  {publicPEM(t, &small.PublicKey), "the key has 1024 bits; need 2048"},
		"curve":  {publicPEM(t, &curve.PublicKey), "the curve P-224 is none of"},
		"two":    {append(pair, pair...), "is not one public key in PEM"},
		"broken": {[]byte("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"), "signer release: the key: "},
	} {
		if _, err := New(Options{Signers: []Signer{{Name: "release", Key: c.key}}}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
	}
}

// Many ask about the same and other artifacts at once. Each has its own verdict.
func TestManyAskAtOnce(t *testing.T) {
	m, key, stranger := newRepository(t), ecKey(t), ecKey(t)
	image := m.image("app")
	artifacts := []oci.Descriptor{
		m.artifact(typeSig, image, m.signed(key, image.Digest)), m.artifact(typeBundle, image, m.attested(key, image.Digest)),
		m.artifact(typeBundle, image, m.attested(stranger, image.Digest)), m.artifact(typeSig, image, m.signed(key, digest.FromString("another"))),
	}
	v := must(New(Options{Signers: []Signer{keyed(t, "release", &key.PublicKey)}, MaxSize: 64 << 10, Concurrency: 2, CacheEntries: 2}))(t)
	done := make(chan struct{})
	const askers = 32
	for i := range askers {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := range artifacts {
				which := (i + n) % len(artifacts)
				got, err := v.Judge(t.Context(), m, "app", image, artifacts[which])
				if err != nil || got.Verified != (which < 2) || !got.Signature {
					t.Errorf("artifact %d: %+v, %v", which, got, err)
				}
				if got.Verified {
					// What one does with a verdict is nothing to the others.
					got.By[0] = "somebody"
				}
			}
		}()
	}
	for range askers {
		<-done
	}
	want(t, m.judge(v, image, artifacts[0]), "", "release")
}
