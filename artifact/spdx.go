package artifact

import "strings"

// spdxDocument is an SBOM of SPDX 2.2 and 2.3 in JSON, as far as it is shown
// (SPDX 2.3, clauses 6 "Document Creation Information", 7 "Package Information").
type spdxDocument struct {
	Version  string            `json:"spdxVersion"`
	Name     string            `json:"name"`
	Creation spdxCreation      `json:"creationInfo"`
	Packages list[spdxPackage] `json:"packages"`
}

type spdxCreation struct {
	Created  string      `json:"created"`
	Creators few[string] `json:"creators"`
}

type spdxPackage struct {
	Name      string           `json:"name"`
	Version   string           `json:"versionInfo"`
	Supplier  string           `json:"supplier"`
	Concluded string           `json:"licenseConcluded"`
	Declared  string           `json:"licenseDeclared"`
	Purpose   string           `json:"primaryPackagePurpose"`
	Refs      few[spdxLocator] `json:"externalRefs"`
}

// spdxLocator is a name of a package elsewhere (SPDX 2.3, 7.21).
type spdxLocator struct {
	Type    string `json:"referenceType"`
	Locator string `json:"referenceLocator"`
}

func (r *reader) spdx(body []byte, level int) {
	d := decode[spdxDocument](r, body)
	r.is(SPDXJSON, strings.TrimPrefix(d.Version, "SPDX-"), level)
	sbom := r.newSBOM(SPDXJSON, strings.TrimPrefix(d.Version, "SPDX-"), d.Name, d.Creation)
	for _, p := range d.Packages.kept {
		sbom.Packages = append(sbom.Packages, p.entry(r))
	}
	sbom.Total = d.Packages.total
	r.sbom(sbom)
}

// newSBOM returns an SBOM of SPDX 2 without packages.
func (r *reader) newSBOM(format Format, version, name string, creation spdxCreation) *SBOM {
	sbom := &SBOM{Format: format, Version: clip(version), Name: clip(name), Created: instant(creation.Created), Packages: []Package{}}
	for _, creator := range creation.Creators.in(r) {
		if tool, is := strings.CutPrefix(creator, "Tool:"); is {
			sbom.Tools = append(sbom.Tools, clip(strings.TrimSpace(tool)))
		}
	}
	return sbom
}

// entry returns the package. The licence is what was declared, else what was
// concluded: scanners seldom conclude.
func (p spdxPackage) entry(r *reader) Package {
	e := Package{Name: clip(p.Name), Version: clip(p.Version), Licences: licences(p.Declared), Type: strings.ToLower(clip(p.Purpose))}
	if e.Licences == nil {
		e.Licences = licences(p.Concluded)
	}
	if supplier := clip(p.Supplier); supplier != "NOASSERTION" {
		_, named, is := strings.Cut(supplier, ":")
		if !is {
			named = supplier
		}
		e.Supplier = strings.TrimSpace(named)
	}
	for _, ref := range p.Refs.in(r) {
		if ref.Type == "purl" {
			e.PURL = clip(ref.Locator)
			break
		}
	}
	return e
}

// sbom keeps an SBOM, the first of a document.
func (r *reader) sbom(found *SBOM) {
	r.all("packages", len(found.Packages), found.Total)
	if r.document.SBOM != nil {
		r.cut("another SBOM in it is left out")
		return
	}
	r.document.SBOM = found
}
