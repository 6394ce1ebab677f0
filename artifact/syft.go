package artifact

import (
	"encoding/json"
	"strings"
)

// syftDocument is syft's own SBOM (github.com/anchore/syft, schema/json), as far as
// it is shown.
type syftDocument struct {
	Artifacts  list[syftPackage] `json:"artifacts"`
	Source     anchoreSource     `json:"source"`
	Descriptor anchoreDescriptor `json:"descriptor"`
	Schema     struct {
		Version string `json:"version"`
	} `json:"schema"`
}

// anchoreSource is what syft and grype looked at.
type anchoreSource struct {
	Name   string `json:"name"`
	Target struct {
		UserInput string `json:"userInput"`
	} `json:"target"`
}

// anchoreDescriptor says which tool it was.
type anchoreDescriptor struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Timestamp string `json:"timestamp"`
}

type syftPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Type    string `json:"type"`
	PURL    string `json:"purl"`
	// Licences are texts until version 7 of the schema, objects since.
	Licences few[syftLicence] `json:"licenses"`
}

// syftLicence is a licence in either form.
type syftLicence string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *syftLicence) UnmarshalJSON(raw []byte) error {
	var object struct {
		Value string `json:"value"`
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*l = syftLicence(text)
	} else if json.Unmarshal(raw, &object) == nil {
		*l = syftLicence(object.Value)
	}
	return nil
}

func (r *reader) syft(body []byte, level int) {
	d := decode[syftDocument](r, body)
	r.is(SyftJSON, d.Schema.Version, level)
	sbom := &SBOM{
		Format: SyftJSON, Version: clip(d.Schema.Version), Name: clip(d.Source.Name), Created: instant(d.Descriptor.Timestamp),
		Tools: []string{clip(strings.TrimSpace(d.Descriptor.Name + " " + d.Descriptor.Version))}, Packages: []Package{}, Total: d.Artifacts.total,
	}
	for _, p := range d.Artifacts.kept {
		var found []string
		for _, l := range p.Licences.in(r) {
			found = append(found, string(l))
		}
		sbom.Packages = append(sbom.Packages, Package{
			Name: clip(p.Name), Version: clip(p.Version), PURL: clip(p.PURL), Licences: licences(found...), Type: strings.ToLower(clip(p.Type)),
		})
	}
	r.sbom(sbom)
}
