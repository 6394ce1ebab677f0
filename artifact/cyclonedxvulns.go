package artifact

import (
	"cmp"
	"strings"
)

// bomVulnerability is one of a BOM (ECMA-424, "vulnerabilities").
type bomVulnerability struct {
	ID          string           `json:"id"`
	Description string           `json:"description"`
	Ratings     few[bomRating]   `json:"ratings"`
	Affects     later[bomAffect] `json:"affects"`
	Analysis    struct {
		State         string `json:"state"`
		Justification string `json:"justification"`
		Detail        string `json:"detail"`
	} `json:"analysis"`
}

type bomRating struct {
	Severity string `json:"severity"`
}

type bomAffect struct {
	Reference string `json:"ref"`
}

// bomReport reads the vulnerabilities of a BOM, one finding for each component
// that has one.
func (r *reader) bomReport(d bom, sbom *SBOM, references map[string]Package) {
	report := &Report{Format: CycloneDXJSON, Target: sbom.Name, Created: sbom.Created, Tool: strings.Join(sbom.Tools, ", ")}
	for _, v := range d.Vulnerabilities.kept {
		f := Finding{
			ID: clip(v.ID), Severity: Unknown, Title: clip(v.Description), Status: clip(v.Analysis.State),
			Reason: clip(cmp.Or(v.Analysis.Justification, v.Analysis.Detail)),
		}
		for _, rating := range v.Ratings.in(r) {
			if f.Severity == Unknown {
				f.Severity = severity(rating.Severity)
			}
		}
		affects := v.Affects.read()
		if affects.total == 0 {
			report.add(f)
		}
		for _, affected := range affects.kept {
			p, known := references[affected.Reference]
			if !known {
				p.Name = clip(affected.Reference)
			}
			f.Package, f.Installed = p.Name, p.Version
			report.add(f)
		}
		report.Total += affects.total - len(affects.kept)
	}
	report.Total += d.Vulnerabilities.total - len(d.Vulnerabilities.kept)
	r.report(report)
}
