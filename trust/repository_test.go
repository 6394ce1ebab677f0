package trust

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// memory is a repository in memory.
type memory struct {
	t       *testing.T
	mutex   sync.Mutex
	content map[digest.Digest][]byte
	// wrong is sent instead of content.
	wrong map[digest.Digest][]byte
	reads int
}

var errMissing = errors.New("not there")

func newRepository(t *testing.T) *memory {
	return &memory{t: t, content: map[digest.Digest][]byte{}, wrong: map[digest.Digest][]byte{}}
}

func (m *memory) get(sum digest.Digest) ([]byte, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.reads++
	if body, ok := m.wrong[sum]; ok {
		return body, nil
	}
	if body, ok := m.content[sum]; ok {
		return body, nil
	}
	return nil, errMissing
}

func (m *memory) ReadManifest(_ context.Context, manifest digest.Digest) (string, []byte, error) {
	body, err := m.get(manifest)
	return oci.MediaTypeImageManifest, body, err
}

func (m *memory) OpenBlob(_ context.Context, blob oci.Descriptor) (io.ReadCloser, error) {
	body, err := m.get(blob.Digest)
	return io.NopCloser(bytes.NewReader(body)), err
}

// put keeps content, and returns its descriptor as a layer.
func (m *memory) put(mediaType string, body []byte, annotations map[string]string) layer {
	sum := digest.FromBytes(body)
	m.content[sum] = body
	return layer{descriptor: descriptor{mediaType, sum, int64(len(body))}, Annotations: annotations}
}

// image keeps an image.
func (m *memory) image(name string) oci.Descriptor {
	d := m.put(oci.MediaTypeImageManifest, fmt.Appendf(nil, `{"schemaVersion":2,"annotations":{"name":%q}}`, name), nil)
	return oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// artifact keeps a manifest that refers to a subject with some layers.
func (m *memory) artifact(artifactType string, subject oci.Descriptor, layers ...layer) oci.Descriptor {
	m.t.Helper()
	held := map[string]any{"schemaVersion": 2, "artifactType": artifactType, "layers": layers}
	if subject.Digest != "" {
		held["subject"] = subject
	}
	d := m.put(oci.MediaTypeImageManifest, must(json.Marshal(held))(m.t), nil)
	return oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: artifactType}
}

func payloadOf(subject digest.Digest) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, subject)
}

// signed is a signature of cosign 2 by a key.
func (m *memory) signed(key *ecdsa.PrivateKey, subject digest.Digest) layer {
	m.t.Helper()
	payload := payloadOf(subject)
	return m.put(mediaTypeSimpleSigning, payload, map[string]string{annotationSignature: encoded(sign(m.t, key, payload))})
}

// attested is a Sigstore bundle with a statement about a subject, by a key.
func (m *memory) attested(key *ecdsa.PrivateKey, subject digest.Digest) layer {
	m.t.Helper()
	return m.attestedBy(&key.PublicKey, func(message []byte) []byte { return sign(m.t, key, message) }, subject)
}

// attestedBy is the same by a key of whatever kind.
func (m *memory) attestedBy(key crypto.PublicKey, sign func(message []byte) []byte, subject digest.Digest) layer {
	m.t.Helper()
	payload := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://sigstore.dev/cosign/sign/v1","subject":[{"digest":{%q:%q}}],"predicate":{}}`, subject.Algorithm(), subject.Encoded())
	message := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadInToto), payloadInToto, len(payload), payload)
	return m.bundle(key, "dsseEnvelope", map[string]any{"payload": payload, "payloadType": payloadInToto, "signatures": []any{map[string]any{"sig": sign(message)}}})
}

// bundle is a Sigstore bundle of some content that names a key.
func (m *memory) bundle(key crypto.PublicKey, field string, content any) layer {
	m.t.Helper()
	hint := must(must(newPublicKey(key))(m.t).hint())(m.t)
	body := must(json.Marshal(map[string]any{
		"mediaType":            typeBundle,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": hint}},
		field:                  content,
	}))(m.t)
	return m.put(typeBundle, body, nil)
}

// keyed returns a signer by a key.
func keyed(t *testing.T, name string, key crypto.PublicKey, repositories ...string) Signer {
	t.Helper()
	s := Signer{Name: name, Key: publicPEM(t, key)}
	for _, pattern := range repositories {
		s.Repositories = append(s.Repositories, must(oci.ParseGlob(pattern))(t))
	}
	return s
}

func verifierOf(t *testing.T, signers ...Signer) *Verifier {
	t.Helper()
	return must(New(Options{Signers: signers, MaxSize: 64 << 10}))(t)
}

// judge judges an artifact in the repository "app".
func (m *memory) judge(v *Verifier, subject, artifact oci.Descriptor) Verdict {
	m.t.Helper()
	return must(v.Judge(m.t.Context(), m, "app", subject, artifact))(m.t)
}

// want compares what came of it; the reason is only begun.
func want(t *testing.T, got Verdict, reason string, by ...string) {
	t.Helper()
	if !got.Signature || fmt.Sprint(got.By) != fmt.Sprint(by) || got.Verified != (len(by) > 0) || !bytes.HasPrefix([]byte(got.Reason), []byte(reason)) || reason == "" && got.Reason != "" {
		t.Errorf("got %+v, want it verified by %v, or the reason %q", got, by, reason)
	}
}
