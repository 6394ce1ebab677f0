package artifact

import "strings"

// spdx3Element is one of the graph of an SPDX 3 document, as JSON-LD has it (SPDX
// 3.0.1, "Core", "Software" and "SimpleLicensing" profiles).
type spdx3Element struct {
	Type     string      `json:"type"`
	ID       string      `json:"spdxId"`
	BlankID  string      `json:"@id"`
	Name     string      `json:"name"`
	Version  string      `json:"software_packageVersion"`
	URL      string      `json:"software_packageUrl"`
	Purpose  string      `json:"software_primaryPurpose"`
	Supplied string      `json:"suppliedBy"`
	Licence  string      `json:"simplelicensing_licenseExpression"`
	Created  string      `json:"created"`
	Spec     string      `json:"specVersion"`
	Relation string      `json:"relationshipType"`
	From     string      `json:"from"`
	To       few[string] `json:"to"`
}

// spdx3 reads an SBOM of SPDX 3. Licences are elements of their own, which
// relationships connect with packages.
func (r *reader) spdx3(body []byte, level int) {
	d := decode[struct {
		Graph list[spdx3Element] `json:"@graph"`
	}](r, body)
	r.all("elements", len(d.Graph.kept), d.Graph.total)
	sbom := &SBOM{Format: SPDXJSON, Version: "3", Packages: []Package{}}
	names, expressions, declared := map[string]string{}, map[string]string{}, map[string][]string{}
	for _, e := range d.Graph.kept {
		switch {
		case e.Type == "CreationInfo":
			sbom.Created, sbom.Version = instant(e.Created), clip(e.Spec)
		case e.Type == "Tool":
			sbom.Tools = append(sbom.Tools, clip(e.Name))
		case e.Type == "SpdxDocument":
			sbom.Name = clip(e.Name)
		case strings.HasSuffix(e.Type, "LicenseExpression"):
			expressions[e.ID] = e.Licence
		case e.Type == "Organization" || e.Type == "Person" || e.Type == "Agent":
			names[e.ID] = e.Name
		case e.Relation == "hasDeclaredLicense" || e.Relation == "hasConcludedLicense":
			declared[e.From] = append(declared[e.From], e.To.in(r)...)
		}
	}
	for _, e := range d.Graph.kept {
		if e.Type != "software_Package" {
			continue
		}
		var found []string
		for _, id := range declared[e.ID][:min(len(declared[e.ID]), MaxFew)] {
			found = append(found, expressions[id])
		}
		sbom.Packages = append(sbom.Packages, Package{
			Name: clip(e.Name), Version: clip(e.Version), PURL: clip(e.URL), Licences: licences(found...),
			Supplier: clip(names[e.Supplied]), Type: strings.ToLower(clip(e.Purpose)),
		})
	}
	sbom.Tools = sbom.Tools[:min(len(sbom.Tools), MaxFew)]
	sbom.Total = len(sbom.Packages)
	r.is(SPDXJSON, sbom.Version, level)
	r.sbom(sbom)
}
