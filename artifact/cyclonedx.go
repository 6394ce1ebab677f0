package artifact

import (
	"encoding/json"
	"strings"
)

// maxComponents is how deep components may hold components.
const maxComponents = 4

// bom is an SBOM of CycloneDX 1.2 to 1.7 in JSON, as far as it is shown (ECMA-424,
// "metadata" and "components").
type bom struct {
	Version    string          `json:"specVersion"`
	Metadata   bomMetadata     `json:"metadata"`
	Components json.RawMessage `json:"components"`
	// Vulnerabilities are those of a BOM that is a report or a VEX document.
	Vulnerabilities list[bomVulnerability] `json:"vulnerabilities"`
}

type bomMetadata struct {
	Timestamp string          `json:"timestamp"`
	Tools     json.RawMessage `json:"tools"`
	Component bomComponent    `json:"component"`
}

type bomComponent struct {
	Type       string          `json:"type"`
	Reference  string          `json:"bom-ref"`
	Group      string          `json:"group"`
	Name       string          `json:"name"`
	Version    string          `json:"version"`
	PURL       string          `json:"purl"`
	Publisher  string          `json:"publisher"`
	Supplier   bomNamed        `json:"supplier"`
	Licences   few[bomLicence] `json:"licenses"`
	Components json.RawMessage `json:"components"`
}

type bomNamed struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

// bomLicence is a licence by its identifier or name, or an expression.
type bomLicence struct {
	Licence struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"license"`
	Expression string `json:"expression"`
}

func (r *reader) cycloneDX(body []byte, level int) {
	d := decode[bom](r, body)
	r.is(CycloneDXJSON, d.Version, level)
	about := d.Metadata.Component
	sbom := &SBOM{Format: CycloneDXJSON, Version: clip(d.Version), Name: about.full(), Created: instant(d.Metadata.Timestamp), Packages: []Package{}}
	sbom.Tools = r.bomTools(d.Metadata.Tools)
	references := map[string]Package{}
	r.components(sbom, references, d.Components, 1)
	if d.Vulnerabilities.total > 0 {
		r.bomReport(d, sbom, references)
		if sbom.Total == 0 {
			return // a VEX document: it lists no packages
		}
	}
	r.sbom(sbom)
}

// bomTools reads what made a BOM: a list until version 1.4, an object of
// components and services since.
func (r *reader) bomTools(raw json.RawMessage) []string {
	if len(raw) == 0 {
		return nil
	}
	found, _ := elements[bomNamed](raw, MaxFew)
	if raw[0] == '{' {
		found = decode[struct {
			Components few[bomNamed] `json:"components"`
		}](r, raw).Components.in(r)
	}
	var tools []string
	for _, tool := range found {
		tools = append(tools, clip(strings.TrimSpace(tool.Name+" "+tool.Version)))
	}
	return tools
}

// components adds components, and those within them, to an SBOM.
func (r *reader) components(sbom *SBOM, references map[string]Package, raw json.RawMessage, level int) {
	if len(raw) == 0 {
		return
	}
	if level > maxComponents {
		r.cut("components within components are read 4 deep")
		return
	}
	all := decode[list[bomComponent]](r, raw)
	sbom.Total += all.total
	for _, c := range all.kept {
		if len(sbom.Packages) < MaxEntries {
			entry := c.entry(r)
			sbom.Packages = append(sbom.Packages, entry)
			if c.Reference != "" {
				references[c.Reference] = entry
			}
		}
		r.components(sbom, references, c.Components, level+1)
	}
}

// full returns the name with the group before it.
func (c bomComponent) full() string {
	if c.Group != "" {
		return clip(c.Group + "/" + c.Name)
	}
	return clip(c.Name)
}

func (c bomComponent) entry(r *reader) Package {
	p := Package{Name: c.full(), Version: clip(c.Version), PURL: clip(c.PURL), Supplier: clip(c.Supplier.Name), Type: strings.ToLower(clip(c.Type))}
	if p.Supplier == "" {
		p.Supplier = clip(c.Publisher)
	}
	var found []string
	for _, l := range c.Licences.in(r) {
		found = append(found, l.Expression, l.Licence.ID)
		if l.Licence.ID == "" {
			found = append(found, l.Licence.Name)
		}
	}
	p.Licences = licences(found...)
	return p
}
