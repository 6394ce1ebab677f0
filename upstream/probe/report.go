package probe

import "time"

// Verdict is what a check came to.
type Verdict string

// The verdicts. What could not be found out is neither of the others.
const (
	Yes     Verdict = "yes"
	No      Verdict = "no"
	Unknown Verdict = "unknown"
)

// The names of the capabilities, in the order in which they are told. They are stable.
const (
	CapabilityReferrers        = "referrers"
	CapabilityCatalog          = "catalog"
	CapabilityTagsN            = "tags.n"
	CapabilityTagsLink         = "tags.link"
	CapabilityTagsLast         = "tags.last"
	CapabilityTagsSorted       = "tags.sorted"
	CapabilityRanges           = "blobs.ranges"
	CapabilityRangesRefused    = "blobs.ranges-416"
	CapabilityTokenLife        = "tokens.lifetime"
	CapabilityIndex            = "manifests.index"
	CapabilityArtifactType     = "manifests.artifact-type"
	CapabilityEmptyConfig      = "manifests.empty-config"
	CapabilityAbsentSubject    = "manifests.absent-subject"
	CapabilityManifestSHA512   = "manifests.sha512"
	CapabilityIfMatch          = "manifests.if-match"
	CapabilityIfNoneMatch      = "manifests.if-none-match"
	CapabilityBlobSHA512       = "blobs.sha512"
	CapabilityMount            = "blobs.mount"
	CapabilityChunkOrder       = "uploads.order-416"
	CapabilityDeleteByTag      = "deletes.by-tag"
	CapabilityDeleteByDigest   = "deletes.by-digest"
	CapabilityDeleteOfUntagged = "deletes.untagged"
)

// Finding is what a check found.
type Finding struct {
	// Capability is what was looked at, one of a few names.
	Capability string  `json:"capability"`
	Verdict    Verdict `json:"verdict"`
	// Request is the line of the request that showed it, with the fields of its header
	// that matter; empty where none was sent.
	Request string `json:"request,omitempty"`
	// Answer is the status of the answer, with the code of an error, and what else of
	// it showed the verdict.
	Answer string `json:"answer,omitempty"`
	// Reason says why it is unknown; empty where it is known.
	Reason string `json:"reason,omitempty"`
}

// Report is what was found of a registry.
type Report struct {
	// Registry is its URL, without a password.
	Registry string `json:"registry"`
	// At is when it was asked.
	At time.Time `json:"at"`
	// Repository is the one that was looked at; empty where none is known.
	Repository string `json:"repository,omitempty"`
	// Fault says why the registry can't be used, so that nothing is known of it.
	Fault    string    `json:"fault,omitempty"`
	Findings []Finding `json:"findings"`
	// Left is what was written and could not be removed again.
	Left []string `json:"left,omitempty"`
}

// Unasked is the report on a registry that was not asked, for a reason.
func Unasked(registry, reason string, at time.Time) *Report {
	report := &Report{Registry: registry, At: at.UTC().Truncate(time.Second)}
	for _, c := range (&probe{}).checks() {
		report.Findings = append(report.Findings, Finding{Capability: c.name, Verdict: Unknown, Reason: reason})
	}
	return report
}

// Of returns the names of the capabilities with a verdict.
func (r *Report) Of(verdict Verdict) []string {
	names := []string{}
	for _, f := range r.Findings {
		if f.Verdict == verdict {
			names = append(names, f.Capability)
		}
	}
	return names
}

// Same tells whether two reports come to the same verdicts.
func (r *Report) Same(other *Report) bool {
	if r == nil || other == nil || len(r.Findings) != len(other.Findings) {
		return r == other
	}
	for i, f := range r.Findings {
		if f.Capability != other.Findings[i].Capability || f.Verdict != other.Findings[i].Verdict {
			return false
		}
	}
	return true
}

// unknown is a finding for which nothing was asked.
func unknown(reason string) Finding { return Finding{Verdict: Unknown, Reason: reason} }
