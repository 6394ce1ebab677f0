package trust

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust/claim"
)

const (
	workflow = "https://github.com/example/app/.github/workflows/release.yml@refs/heads/main"
	issuer   = "https://token.actions.githubusercontent.com"
)

// keyless is a signature of cosign 2 by an identity. at is when it was logged; zero
// for never.
func (m *memory) keyless(v *virtual, subject oci.Descriptor, identity, by string, at time.Time) layer {
	m.t.Helper()
	leaf, key := v.leaf(identity, by)
	payload := payloadOf(subject.Digest)
	signed := sign(m.t, key, payload)
	annotations := map[string]string{annotationSignature: encoded(signed), claim.AnnotationCertificate: string(certificatePEM(leaf))}
	if !at.IsZero() {
		annotations[annotationLog] = v.entry(payload, signed, certificatePEM(leaf), at)
	}
	return m.put(mediaTypeSimpleSigning, payload, annotations)
}

func TestSignaturesByIdentities(t *testing.T) {
	offlineOnly(t)
	m, ours, theirs := newRepository(t), newVirtual(t), newVirtual(t)
	image := m.image("app")
	logged := ours.now.Add(time.Minute)
	by := func(name string, who Identity, needsLog bool) Signer {
		return Signer{Name: name, Identity: &who, TrustedRoot: ours.root(), NeedsLog: needsLog}
	}
	exact := Identity{Issuer: issuer, Subject: workflow}
	of := func(identity, vouched string, at time.Time) oci.Descriptor {
		return m.artifact(typeSig, image, m.keyless(ours, image, identity, vouched, at))
	}
	swapped := m.keyless(ours, image, workflow, issuer, logged)
	swapped.Annotations[annotationLog] = m.keyless(ours, image, workflow, issuer, logged).Annotations[annotationLog]
	stranger := "signed by " + workflow + ", which no signer of this repository is"
	for _, c := range []struct {
		name     string
		signer   Signer
		artifact oci.Descriptor
		reason   string
		verified bool
	}{
		{"logged", by("ci", exact, true), of(workflow, issuer, logged), "", true},
		{"by a pattern", by("ci", Identity{Issuer: issuer, Regexp: `https://github\.com/example/.*`}, true), of(workflow, issuer, logged), "", true},
		{"the pattern is of the whole", by("ci", Identity{Issuer: issuer, Regexp: `github\.com/example/app`}, true), of(workflow, issuer, logged), stranger, false},
		{"an alternative is of the whole", by("ci", Identity{Issuer: issuer, Regexp: `a|https://github\.com`}, true), of(workflow, issuer, logged), stranger, false},
		{"another identity", by("ci", exact, true), of(workflow+"2", issuer, logged), "signed by " + workflow + "2, which", false},
		{"another issuer", by("ci", exact, true), of(workflow, "https://issuer.example", logged), stranger, false},
		{"not logged", by("ci", exact, true), of(workflow, issuer, time.Time{}), "not in the transparency log, which signer ci requires", false},
		{"not logged, which is ignored", by("ci", exact, false), of(workflow, issuer, time.Time{}), "the certificate had expired at ", false},
		{"logged, which is ignored", by("ci", exact, false), of(workflow, issuer, logged), "", true},
		{"logged too late", by("ci", exact, true), of(workflow, issuer, logged.Add(time.Hour)), "has no entry that holds", false},
		{"another's log entry", by("ci", exact, true), m.artifact(typeSig, image, swapped), "has no entry that holds", false},
		{"another root", by("ci", exact, true), m.artifact(typeSig, image, m.keyless(theirs, image, workflow, issuer, logged)), "has no entry that holds", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var names []string
			if c.verified {
				names = []string{c.signer.Name}
			}
			got := m.judge(verifierOf(t, c.signer), image, c.artifact)
			want(t, got, c.reason, names...)
			if claimed := got.Claims[0]; claimed.Identity == "" || claimed.Issuer == "" || claimed.Thumbprint == "" {
				t.Errorf("claims %+v", claimed)
			}
		})
	}
}

// A certificate that is valid now counts without a timestamp, until it expires.
func TestACertificateCountsUntilItExpires(t *testing.T) {
	m, ours := newRepository(t), newVirtual(t)
	ours.now = time.Now().Add(-time.Minute)
	image := m.image("app")
	artifact := m.artifact(typeSig, image, m.keyless(ours, image, workflow, issuer, time.Time{}))
	v := verifierOf(t, Signer{Name: "ci", Identity: &Identity{Issuer: issuer, Subject: workflow}, TrustedRoot: ours.root()})
	got := m.judge(v, image, artifact)
	want(t, got, "", "ci")
	if got.Until == nil || !got.Until.Equal(got.Until.Truncate(time.Second)) || got.Until.Before(time.Now()) {
		t.Errorf("until %v", got.Until)
	}
	if kept := keep(got, time.Now()); kept > 10*time.Minute {
		t.Errorf("is remembered for %s", kept)
	}
}

// All signers that are shown to have signed are named, by whichever layer.
func TestAllSignersAreNamed(t *testing.T) {
	m, ours, key := newRepository(t), newVirtual(t), ecKey(t)
	image := m.image("app")
	v := verifierOf(t, Signer{Name: "ci", Identity: &Identity{Issuer: issuer, Subject: workflow}, TrustedRoot: ours.root(), NeedsLog: true},
		keyed(t, "other", &ecKey(t).PublicKey), keyed(t, "release", &key.PublicKey, "a*"))
	got := m.judge(v, image, m.artifact(typeSig, image, m.signed(key, image.Digest), m.keyless(ours, image, workflow, issuer, ours.now.Add(time.Minute))))
	want(t, got, "", "ci", "release")
	if len(got.Claims) != 2 {
		t.Errorf("claims %+v", got.Claims)
	}
	if body := must(json.Marshal(got))(t); len(body) == 0 {
		t.Error("no JSON")
	}
}

// A key that needs the log isn't verified without it.
func TestAKeyMayNeedTheLog(t *testing.T) {
	m, ours, key := newRepository(t), newVirtual(t), ecKey(t)
	image := m.image("app")
	signer := keyed(t, "release", &key.PublicKey)
	signer.NeedsLog, signer.TrustedRoot = true, ours.root()
	plain := m.signed(key, image.Digest)
	logged := plain
	payload := payloadOf(image.Digest)
	signed := sign(t, key, payload)
	logged.Annotations = map[string]string{annotationSignature: encoded(signed), annotationLog: ours.entry(payload, signed, publicPEM(t, &key.PublicKey), ours.now)}
	v := verifierOf(t, signer)
	want(t, m.judge(v, image, m.artifact(typeSig, image, plain)), "not in the transparency log, which signer release requires")
	want(t, m.judge(v, image, m.artifact(typeSig, image, logged)), "", "release")
}
