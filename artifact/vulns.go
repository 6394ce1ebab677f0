package artifact

import (
	"cmp"
	"encoding/json"
)

// vulnsPredicate is a scan as cosign attests it (sigstore/cosign,
// specs/COSIGN_VULN_ATTESTATION_SPEC.md) or in-toto does (in-toto/attestation,
// predicates "vulns" v0.1 and v0.2), whose results differ.
type vulnsPredicate struct {
	Scanner struct {
		URI     string          `json:"uri"`
		Version string          `json:"version"`
		Result  json.RawMessage `json:"result"`
	} `json:"scanner"`
	Metadata struct {
		Finished string `json:"scanFinishedOn"`
	} `json:"metadata"`
}

// cosignVulns reads a scan whose result is the report of the scanner itself, in
// whatever format.
func (r *reader) cosignVulns(predicate json.RawMessage, level int) {
	if len(predicate) == 0 {
		return
	}
	s := decode[vulnsPredicate](r, predicate)
	before := r.document.Report
	if len(s.Scanner.Result) > 0 {
		r.read("", unquoted(s.Scanner.Result), level)
	}
	if report := r.document.Report; report != before {
		report.Tool = cmp.Or(report.Tool, clip(s.Scanner.URI))
		report.Version = cmp.Or(report.Version, clip(s.Scanner.Version))
		if report.Created == nil {
			report.Created = instant(s.Metadata.Finished)
		}
	}
}

// inTotoVuln is a result of in-toto's predicate.
type inTotoVuln struct {
	ID         string              `json:"id"`
	Severities few[inTotoSeverity] `json:"severity"`
}

type inTotoSeverity struct {
	Method string `json:"method"`
	Score  loose  `json:"score"`
}

// inTotoVulns reads a scan whose result is a list of vulnerabilities. It has the
// format of the statement.
func (r *reader) inTotoVulns(predicate json.RawMessage) {
	if len(predicate) == 0 {
		return
	}
	s := decode[vulnsPredicate](r, predicate)
	report := &Report{Format: InToto, Tool: clip(s.Scanner.URI), Version: clip(s.Scanner.Version), Created: instant(s.Metadata.Finished)}
	var found list[inTotoVuln]
	if len(s.Scanner.Result) > 0 {
		found = decode[list[inTotoVuln]](r, s.Scanner.Result)
	}
	for _, v := range found.kept {
		f := Finding{ID: clip(v.ID), Severity: Unknown}
		for _, rated := range v.Severities.in(r) {
			if f.Severity == Unknown {
				f.Severity = scored(string(rated.Score))
			}
			if f.Severity == Unknown {
				f.Severity = severity(string(rated.Score))
			}
		}
		report.add(f)
	}
	report.Total += found.total - len(found.kept)
	r.report(report)
}
