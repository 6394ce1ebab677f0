package artifact

import (
	"cmp"
	"encoding/json"
)

// vexDocument says what is known of vulnerabilities in products (OpenVEX 0.2.0,
// "OPENVEX-SPEC.md"; version 0.0.1 has texts where this has objects).
type vexDocument struct {
	Context    string             `json:"@context"`
	Author     string             `json:"author"`
	Timestamp  string             `json:"timestamp"`
	Tooling    string             `json:"tooling"`
	Statements list[vexStatement] `json:"statements"`
}

type vexStatement struct {
	Vulnerability vexVulnerability  `json:"vulnerability"`
	Products      later[vexProduct] `json:"products"`
	Status        string            `json:"status"`
	Justification string            `json:"justification"`
	Impact        string            `json:"impact_statement"`
	Action        string            `json:"action_statement"`
}

// vexVulnerability is a name, or an object with one.
type vexVulnerability struct{ name, description string }

// UnmarshalJSON implements [json.Unmarshaler].
func (v *vexVulnerability) UnmarshalJSON(raw []byte) error {
	var object struct {
		ID          string `json:"@id"`
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	if json.Unmarshal(raw, &v.name) != nil {
		_ = json.Unmarshal(raw, &object)
		v.name, v.description = cmp.Or(object.Name, object.ID), object.Description
	}
	return nil
}

// vexProduct is an identifier, or an object with one.
type vexProduct string

// UnmarshalJSON implements [json.Unmarshaler].
func (p *vexProduct) UnmarshalJSON(raw []byte) error {
	var text string
	var object struct {
		ID          string `json:"@id"`
		Identifiers struct {
			PURL string `json:"purl"`
		} `json:"identifiers"`
	}
	if json.Unmarshal(raw, &text) != nil {
		_ = json.Unmarshal(raw, &object)
		text = cmp.Or(object.ID, object.Identifiers.PURL)
	}
	*p = vexProduct(text)
	return nil
}

// openVEX reads the statements, one finding for each product of each.
func (r *reader) openVEX(body []byte, level int) {
	d := decode[vexDocument](r, body)
	r.is(OpenVEX, d.Context, level)
	report := &Report{Format: OpenVEX, Tool: clip(cmp.Or(d.Tooling, d.Author)), Created: instant(d.Timestamp)}
	for _, s := range d.Statements.kept {
		f := Finding{
			ID: clip(s.Vulnerability.name), Severity: Unknown, Title: clip(s.Vulnerability.description),
			Status: clip(s.Status), Reason: clip(cmp.Or(s.Justification, s.Impact, s.Action)),
		}
		products := s.Products.read()
		if products.total == 0 {
			report.add(f)
		}
		for _, product := range products.kept {
			f.Package = clip(string(product))
			report.add(f)
		}
		report.Total += products.total - len(products.kept)
	}
	report.Total += d.Statements.total - len(d.Statements.kept)
	r.report(report)
}
