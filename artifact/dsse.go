package artifact

import (
	"encoding/base64"
	"strings"

	"github.com/backref/backref/strictjson"
)

// dsseEnvelope is a signed payload (secure-systems-lab/dsse, "envelope.md").
type dsseEnvelope struct {
	PayloadType string             `json:"payloadType"`
	Payload     string             `json:"payload"`
	Signatures  few[dsseSignature] `json:"signatures"`
}

type dsseSignature struct {
	KeyID string `json:"keyid"`
}

func (r *reader) dsse(body []byte, level int) {
	r.is(DSSE, "", level)
	r.envelope(decode[dsseEnvelope](r, body), level)
}

// envelope reads an envelope and what it holds.
func (r *reader) envelope(e dsseEnvelope, level int) {
	if r.document.Envelope == nil {
		kept := &Envelope{PayloadType: clip(e.PayloadType)}
		for _, s := range e.Signatures.in(r) {
			kept.KeyIDs = append(kept.KeyIDs, clip(s.KeyID))
		}
		r.document.Envelope = kept
	}
	payload, is := decoded(e.Payload)
	if !is {
		r.doubt("the payload is not in base64")
		return
	}
	if r.document.Payload == "" {
		r.document.Payload = r.inner(payload)
	}
	r.read(e.PayloadType, payload, level+1)
}

// inner returns a payload for people: see [Document.Payload].
func (r *reader) inner(payload []byte) string {
	inner := &reader{}
	if strictjson.Check(payload, nil, strictjson.Bound{Most: MaxDepth}) == nil {
		inner.pretty(payload)
	} else {
		inner.plain("", payload)
	}
	for _, what := range inner.document.Cut {
		r.cut("of the payload " + what)
	}
	return inner.document.Pretty
}

// decoded reads base64 in either alphabet, with or without padding: the
// specification asks readers for both alphabets.
func decoded(text string) ([]byte, bool) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(text), "=")
	payload, err := base64.RawStdEncoding.DecodeString(text)
	return payload, err == nil
}
