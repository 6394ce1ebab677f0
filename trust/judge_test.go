package trust

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

const typeSig, typeBundle = "application/vnd.dev.cosign.artifact.sig.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json"

// refusing fails the test where something is fetched.
type refusing struct{ t *testing.T }

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	r.t.Errorf("%s was asked for", req.URL)
	return nil, errors.New("no network")
}

// offlineOnly has all use of the network fail the test.
func offlineOnly(t *testing.T) {
	t.Helper()
	before := http.DefaultTransport
	http.DefaultTransport = refusing{t}
	t.Cleanup(func() { http.DefaultTransport = before })
}

func TestSignaturesByKeys(t *testing.T) {
	offlineOnly(t)
	m, ours, other := newRepository(t), ecKey(t), ecKey(t)
	image, copied := m.image("app"), m.image("another")
	v := verifierOf(t, keyed(t, "release", &ours.PublicKey), keyed(t, "elsewhere", &other.PublicKey, "team/**"))
	legacy := m.artifact(typeSig, oci.Descriptor{}, m.signed(ours, image.Digest))
	legacy.Legacy, legacy.Tag = true, oci.ReferrersTag(image.Digest)+".sig"
	mistagged := legacy
	mistagged.Tag = oci.ReferrersTag(copied.Digest) + ".sig"
	huge := m.put(mediaTypeSimpleSigning, bytes.Repeat([]byte("a"), 65<<10), nil)
	for _, c := range []struct {
		name     string
		artifact oci.Descriptor
		reason   string
		by       []string
	}{
		{"cosign 2", m.artifact(typeSig, image, m.signed(ours, image.Digest)), "", []string{"release"}},
		{"legacy tag", legacy, "", []string{"release"}},
		{"bundle", m.artifact(typeBundle, image, m.attested(ours, image.Digest)), "", []string{"release"}},
		{"two layers, one right", m.artifact(typeSig, image, m.signed(other, image.Digest), m.signed(ours, image.Digest)), "", []string{"release"}},
		{"copied from another image", m.artifact(typeSig, image, m.signed(ours, copied.Digest)), "the signature is of another digest: " + copied.Digest.String(), nil},
		{"statement about another", m.artifact(typeBundle, image, m.attested(ours, copied.Digest)), "the signature is of another digest", nil},
		{"subject differs", m.artifact(typeSig, copied, m.signed(ours, image.Digest)), "the artifact refers to " + copied.Digest.String(), nil},
		{"no subject, no tag", m.artifact(typeSig, oci.Descriptor{}, m.signed(ours, image.Digest)), "the artifact refers to nothing", nil},
		{"tag of another image", mistagged, "the artifact refers to nothing", nil},
		{"signer of other repositories", m.artifact(typeSig, image, m.signed(other, image.Digest)), "signed by a key that is none of a signer", nil},
		{"bundle by a stranger", m.artifact(typeBundle, image, m.attested(ecKey(t), image.Digest)), "signed by key ", nil},
		{"huge", m.artifact(typeSig, image, huge), "the signature has 66560 bytes", nil},
		{"no payload", m.artifact(typeSig, image, m.put(mediaTypeSimpleSigning, []byte("{}"), nil)), "is no cosign signature that can be read", nil},
		{"no bundle", m.artifact(typeBundle, image, m.put(typeBundle, []byte(`{"mediaType":"x"}`), nil)), "is no sigstore bundle that can be read", nil},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, m.judge(v, image, c.artifact), c.reason, c.by...) })
	}
	t.Run("no signer", func(t *testing.T) {
		got := m.judge(verifierOf(t), image, m.artifact(typeBundle, image, m.attested(ours, image.Digest)))
		want(t, got, "no signer is configured for this repository")
		if len(got.Claims) != 1 || got.Claims[0].KeyHint == "" || got.Claims[0].Predicate == "" {
			t.Errorf("claims %+v", got.Claims)
		}
	})
	t.Run("no signature", func(t *testing.T) {
		if got := m.judge(v, image, m.artifact("application/spdx+json", image, m.put("application/spdx+json", []byte("{}"), nil))); got.Signature || got.Verified || got.Reason != "" {
			t.Errorf("an SBOM is judged as %+v", got)
		}
	})
}

// A bundle that names our key, and was made by another.
func TestAHintIsNoProof(t *testing.T) {
	m, ours, other := newRepository(t), ecKey(t), ecKey(t)
	image := m.image("app")
	forged := m.attested(other, image.Digest)
	hint := func(key any) []byte {
		k := must(newPublicKey(key))(t)
		return []byte(must(k.hint())(t))
	}
	body := bytes.Replace(m.content[forged.Digest], hint(&other.PublicKey), hint(&ours.PublicKey), 1)
	v := verifierOf(t, keyed(t, "release", &ours.PublicKey))
	want(t, m.judge(v, image, m.artifact(typeBundle, image, m.put(typeBundle, body, nil))), "names the key of signer release, but is not signed by it")
}

// What could not be read is no verdict, and is read again.
func TestContentThatIsNotWhatItShouldBe(t *testing.T) {
	m, ours := newRepository(t), ecKey(t)
	image := m.image("app")
	held := m.signed(ours, image.Digest)
	artifact := m.artifact(typeSig, image, held)
	v := verifierOf(t, keyed(t, "release", &ours.PublicKey))
	for name, spoiled := range map[string]struct {
		what digest.Digest
		with []byte
	}{
		"cut short":         {held.Digest, m.content[held.Digest][:20]},
		"of another digest": {held.Digest, bytes.Replace(m.content[held.Digest], []byte("cosign"), []byte("cosigm"), 1)},
		"too long":          {held.Digest, append(bytes.Clone(m.content[held.Digest]), ' ')},
		"manifest":          {artifact.Digest, []byte("{}")},
	} {
		m.wrong = map[digest.Digest][]byte{spoiled.what: spoiled.with}
		if got, err := v.Judge(t.Context(), m, "app", image, artifact); !errors.Is(err, ErrContent) || got.Signature {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	m.wrong = nil
	want(t, m.judge(v, image, artifact), "", "release")
	reads := m.reads
	want(t, m.judge(v, image, artifact), "", "release")
	if m.reads != reads {
		t.Error("a verdict was not remembered")
	}
	if _, err := v.Judge(t.Context(), m, "team/app", image, oci.Descriptor{Digest: digest.FromString("gone")}); !errors.Is(err, errMissing) {
		t.Errorf("of what is not there: %v", err)
	}
}

func TestSignedBy(t *testing.T) {
	verdict := Verdict{Signature: true, Verified: true, By: []string{"a", "b"}}
	for _, c := range []struct {
		names []string
		want  bool
	}{{nil, true}, {[]string{"b"}, true}, {[]string{"c", "a"}, true}, {[]string{"c"}, false}} {
		if verdict.SignedBy(c.names...) != c.want {
			t.Errorf("by %v: %t", c.names, !c.want)
		}
	}
	if (Verdict{}).SignedBy() {
		t.Error("nothing is signed")
	}
}

func TestNewNamesTheSigner(t *testing.T) {
	key := ecKey(t)
	for name, signers := range map[string][]Signer{
		"a certificate": {{Name: "release", Key: []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")}},
		"no key":        {{Name: "release", Key: []byte("ssh-ed25519 AAAA")}},
		"twice":         {keyed(t, "release", &key.PublicKey), keyed(t, "release", &key.PublicKey)},
		"no root":       {{Name: "release", Identity: &Identity{Issuer: "https://issuer.example", Subject: "a"}, TrustedRoot: []byte("{}")}},
		"no store":      {{Name: "release", Notation: &Notation{Identities: []string{"*"}}}},
	} {
		if _, err := New(Options{Signers: signers}); err == nil || !bytes.Contains([]byte(err.Error()), []byte("signer release: ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzSimpleSigning(f *testing.F) {
	f.Add(payloadOf(digest.FromString("a")))
	f.Add([]byte(`{"critical":{"image":{"docker-manifest-digest":"sha256:00"},"Image":{}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		about, err := parseSimpleSigning(payload)
		if err == nil && (about.Validate() != nil || !bytes.Contains(payload, []byte("critical"))) {
			t.Errorf("%q is about %q", payload, about)
		}
	})
}

func FuzzStatements(f *testing.F) {
	f.Add(0, []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AA=="},"signature":"AA=="}}`))
	f.Add(1, []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AA=="}]}`))
	f.Add(2, []byte(`{"payload":"e30","protected":"e30","header":{},"signature":"AA"}`))
	f.Add(3, []byte(`{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"00"}}`))
	f.Fuzz(func(t *testing.T, format int, body []byte) {
		switch format {
		case 0:
			if read, err := parseBundle(body); err == nil && read.leaf == nil && read.bare == nil {
				t.Errorf("%q is by nothing", body)
			}
		case 1:
			_, _ = parseEnvelope(nil, body)
		case 2:
			_, _ = parseNotation("application/jose+json", body)
			_, _ = parseNotation("application/cose", body)
		default:
			_, _ = logEntries(string(body))
			_, _, _ = parseArtifact(body)
		}
	})
}
