package notice

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// The types of messages.
const (
	// TypeReferrer is a new referrer.
	TypeReferrer = "referrer.created"
	// TypeTest is a message that somebody asked for, to see whether it arrives.
	TypeTest = "test"
)

// maxAnnotations is how many bytes of annotations, as JSON, a message takes along. Beyond
// that it has none, and says so: so a message and its dead letter stay small.
const maxAnnotations = 32 << 10

// Message is the body that a webhook is sent (docs/notices.md has the schema).
type Message struct {
	Type string `json:"type"`
	// Timestamp is when the referrer came to be listed.
	Timestamp time.Time   `json:"timestamp"`
	Data      MessageData `json:"data"`
}

// MessageData says what a message is about.
type MessageData struct {
	// Number orders the messages of one backref.
	Number     uint64         `json:"number,omitempty"`
	Repository string         `json:"repository,omitempty"`
	Referrer   oci.Descriptor `json:"referrer,omitzero"`
	// Subject is known by its digest alone.
	Subject MessageSubject `json:"subject,omitzero"`
	// Reference is what a client pulls the referrer by: with the registry's host where
	// server.publicURL says it.
	Reference string `json:"reference,omitempty"`
	// AnnotationsOmitted says that the annotations were too large to be sent.
	AnnotationsOmitted bool `json:"annotationsOmitted,omitempty"`
}

// MessageSubject is the manifest that a referrer refers to.
type MessageSubject struct {
	Digest    digest.Digest `json:"digest"`
	Reference string        `json:"reference"`
}

// messageOf returns the body of the message of a notice. public is how clients reach
// the registry; nil where nobody has said so.
func messageOf(n Notice, public *url.URL) ([]byte, error) {
	m := Message{Type: TypeReferrer, Timestamp: n.Time, Data: MessageData{
		Number: n.Number, Repository: n.Repository, Reference: reference(public, n.Repository, n.Digest),
		Referrer: oci.Descriptor{MediaType: n.MediaType, Digest: n.Digest, Size: n.Size, ArtifactType: n.ArtifactType, Annotations: n.Annotations},
		Subject:  MessageSubject{Digest: n.Subject, Reference: reference(public, n.Repository, n.Subject)},
	}}
	if encoded, err := encode(n.Annotations); err != nil || len(encoded) > maxAnnotations {
		m.Data.Referrer.Annotations, m.Data.AnnotationsOmitted = nil, true
	}
	return encode(m)
}

// testMessage returns the body of a test.
func testMessage(at time.Time) ([]byte, error) {
	return encode(Message{Type: TypeTest, Timestamp: at})
}

// reference returns what a manifest is pulled by.
func reference(public *url.URL, repository string, manifest digest.Digest) string {
	name := repository + "@" + manifest.String()
	if public == nil || public.Host == "" {
		return name
	}
	return public.Host + "/" + name
}

// encode encodes without the escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
