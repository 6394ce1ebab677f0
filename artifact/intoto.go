package artifact

import (
	"encoding/json"
	"strings"
)

// inTotoStatement is what an attestation says (in-toto/attestation, "Statement"
// v0.1 and v1).
type inTotoStatement struct {
	Type          string              `json:"_type"`
	Subjects      list[inTotoSubject] `json:"subject"`
	PredicateType string              `json:"predicateType"`
	Predicate     json.RawMessage     `json:"predicate"`
}

type inTotoSubject struct {
	Name    string  `json:"name"`
	Digests digests `json:"digest"`
}

// Types of predicates that are looked into. Each is the beginning of one, behind
// which a version may stand.
const (
	predicateSLSA      = "https://slsa.dev/provenance/"
	predicateSPDX      = "https://spdx.dev/Document"
	predicateCycloneDX = "https://cyclonedx.org/bom"
	predicateVulns     = "https://cosign.sigstore.dev/attestation/vuln/"
	predicateInToto    = "https://in-toto.io/attestation/vulns"
)

func (r *reader) statement(body []byte, level int) {
	s := decode[inTotoStatement](r, body)
	_, version, _ := strings.Cut(s.Type, "/Statement/")
	r.is(InToto, version, level)
	kept := Statement{PredicateType: clip(s.PredicateType)}
	r.all("subjects", len(s.Subjects.kept), s.Subjects.total)
	for _, subject := range s.Subjects.kept {
		kept.Subjects = append(kept.Subjects, Subject{clip(subject.Name), subject.Digests.clipped(r)})
	}
	switch {
	case strings.HasPrefix(s.PredicateType, predicateSLSA) && len(s.Predicate) > 0:
		kept.Provenance = r.provenance(s.Predicate)
	case strings.HasPrefix(s.PredicateType, predicateVulns):
		r.cosignVulns(s.Predicate, level+1)
	case strings.HasPrefix(s.PredicateType, predicateInToto):
		r.inTotoVulns(s.Predicate)
	default:
		r.read("", unquoted(s.Predicate), level+1)
	}
	if len(r.document.Statements) == MaxDocuments {
		r.cut("further statements in it are left out")
		return
	}
	r.document.Statements = append(r.document.Statements, kept)
}

// unquoted returns the document that is a predicate. Where cosign attests what is
// no JSON, or did so of old, the document is a text in the field Data.
func unquoted(predicate json.RawMessage) []byte {
	var wrapped struct {
		Data string `json:"Data"`
	}
	var text string
	switch {
	case json.Unmarshal(predicate, &text) == nil && text != "":
		return []byte(text)
	case json.Unmarshal(predicate, &wrapped) == nil && wrapped.Data != "":
		return []byte(wrapped.Data)
	default:
		return predicate
	}
}
