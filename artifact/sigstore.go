package artifact

import (
	"strconv"
	"strings"
	"time"
)

// bundleType is what the media types of Sigstore's bundles begin with, whatever
// their version.
const bundleType = "application/vnd.dev.sigstore.bundle"

// Bundle is a signature with what is needed to verify it (sigstore/protobuf-specs,
// sigstore_bundle.proto, v0.1 to v0.3). All of it is claimed, nothing verified.
type Bundle struct {
	MediaType string `json:"mediaType"`
	// Content says what is signed: "dsse" for an envelope, "message-signature" for a
	// digest.
	Content string `json:"content,omitempty"`
	// Digest is what a message signature says that it signs, as algorithm and base64.
	Digest string `json:"digest,omitempty"`
	// Certificate is that of the signer; nil where there is a key, to which KeyHint
	// may lead.
	Certificate *Certificate `json:"certificate,omitempty"`
	KeyHint     string       `json:"keyHint,omitempty"`
	// Entries are those of transparency logs, Timestamps the number of signed times.
	Entries    []LogEntry `json:"entries,omitempty"`
	Timestamps int        `json:"timestamps,omitempty"`
}

// LogEntry is one of a transparency log.
type LogEntry struct {
	Index string `json:"index,omitempty"`
	Kind  string `json:"kind,omitempty"`
	// Integrated is when the log took it in, where it says so.
	Integrated *time.Time `json:"integrated,omitempty"`
}

type bundleDocument struct {
	MediaType string         `json:"mediaType"`
	Material  bundleMaterial `json:"verificationMaterial"`
	Envelope  *dsseEnvelope  `json:"dsseEnvelope"`
	Message   *bundleMessage `json:"messageSignature"`
}

type bundleMaterial struct {
	Certificate *bundleRaw `json:"certificate"`
	Chain       struct {
		Certificates few[bundleRaw] `json:"certificates"`
	} `json:"x509CertificateChain"`
	PublicKey struct {
		Hint string `json:"hint"`
	} `json:"publicKey"`
	Entries    few[bundleEntry] `json:"tlogEntries"`
	Timestamps struct {
		Signed few[skipped] `json:"rfc3161Timestamps"`
	} `json:"timestampVerificationData"`
}

type bundleRaw struct {
	Raw string `json:"rawBytes"`
}

type bundleMessage struct {
	Digest struct {
		Algorithm string `json:"algorithm"`
		Digest    string `json:"digest"`
	} `json:"messageDigest"`
}

type bundleEntry struct {
	Index loose `json:"logIndex"`
	Kind  struct {
		Kind    string `json:"kind"`
		Version string `json:"version"`
	} `json:"kindVersion"`
	Integrated loose `json:"integratedTime"`
}

func (r *reader) bundle(body []byte, level int) {
	d := decode[bundleDocument](r, body)
	r.is(Sigstore, bundleVersion(d.MediaType), level)
	b := &Bundle{MediaType: clip(d.MediaType), KeyHint: clip(d.Material.PublicKey.Hint), Timestamps: len(d.Material.Timestamps.Signed.kept)}
	leaf := d.Material.Certificate
	if chain := d.Material.Chain.Certificates.kept; leaf == nil && len(chain) > 0 {
		leaf = &chain[0]
	}
	if leaf != nil {
		raw, _ := decoded(leaf.Raw)
		if b.Certificate = ReadCertificate(raw); b.Certificate == nil {
			r.doubt("the certificate can't be read")
		}
	}
	for _, e := range d.Material.Entries.in(r) {
		entry := LogEntry{Index: clip(string(e.Index)), Kind: clip(strings.TrimSpace(e.Kind.Kind + " " + e.Kind.Version))}
		if seconds, err := strconv.ParseInt(string(e.Integrated), 10, 40); err == nil && seconds > 0 {
			at := time.Unix(seconds, 0).UTC()
			entry.Integrated = &at
		}
		b.Entries = append(b.Entries, entry)
	}
	if r.document.Bundle == nil {
		r.document.Bundle = b
	}
	switch {
	case d.Envelope != nil:
		b.Content = "dsse"
		r.envelope(*d.Envelope, level)
	case d.Message != nil:
		b.Content = "message-signature"
		b.Digest = clip(d.Message.Digest.Algorithm + ":" + d.Message.Digest.Digest)
	}
}

// bundleVersion reads the version in a media type: it is a parameter until v0.3,
// and a part of the name since.
func bundleVersion(mediaType string) string {
	rest := strings.TrimPrefix(mediaType, bundleType)
	if _, version, found := strings.Cut(rest, "version="); found {
		return version
	}
	return strings.TrimSuffix(strings.TrimPrefix(rest, ".v"), "+json")
}
