package artifact

import "cmp"

// trivyReport is what Trivy prints with --format json (aquasecurity/trivy,
// pkg/types/report.go, SchemaVersion 2), as far as it is shown.
type trivyReport struct {
	SchemaVersion loose             `json:"SchemaVersion"`
	CreatedAt     string            `json:"CreatedAt"`
	ArtifactName  string            `json:"ArtifactName"`
	Results       list[trivyResult] `json:"Results"`
	Trivy         struct {
		Version string `json:"Version"`
	} `json:"Trivy"`
}

type trivyResult struct {
	Target            string                   `json:"Target"`
	Vulnerabilities   later[trivyFinding]      `json:"Vulnerabilities"`
	Misconfigurations later[trivyMisconfig]    `json:"Misconfigurations"`
	Secrets           later[trivySecret]       `json:"Secrets"`
	Modified          later[trivyModification] `json:"ExperimentalModifiedFindings"`
}

type trivyFinding struct {
	ID        string `json:"VulnerabilityID"`
	Package   string `json:"PkgName"`
	Path      string `json:"PkgPath"`
	Installed string `json:"InstalledVersion"`
	Fixed     string `json:"FixedVersion"`
	Title     string `json:"Title"`
	Severity  string `json:"Severity"`
}

type trivyMisconfig struct {
	ID       string `json:"ID"`
	Title    string `json:"Title"`
	Severity string `json:"Severity"`
	Status   string `json:"Status"`
}

type trivySecret struct {
	Rule     string `json:"RuleID"`
	Title    string `json:"Title"`
	Severity string `json:"Severity"`
	Line     loose  `json:"StartLine"`
}

// trivyModification is a finding that a VEX document or an ignore file took out.
type trivyModification struct {
	Status    string       `json:"Status"`
	Statement string       `json:"Statement"`
	Finding   trivyFinding `json:"Finding"`
}

func (r *reader) trivy(body []byte, level int) {
	d := decode[trivyReport](r, body)
	r.is(Trivy, string(d.SchemaVersion), level)
	report := &Report{Format: Trivy, Tool: "Trivy", Version: clip(d.Trivy.Version), Target: clip(d.ArtifactName), Created: instant(d.CreatedAt)}
	r.all("results", len(d.Results.kept), d.Results.total)
	for _, result := range d.Results.kept {
		result.addTo(report)
	}
	r.report(report)
}

// addTo adds the findings about one target.
func (t trivyResult) addTo(report *Report) {
	vulnerabilities := t.Vulnerabilities.read()
	for _, v := range vulnerabilities.kept {
		report.add(v.entry(t.Target))
	}
	misconfigurations := t.Misconfigurations.read()
	for _, m := range misconfigurations.kept {
		if m.Status != "PASS" {
			report.add(Finding{ID: clip(m.ID), Severity: severity(m.Severity), Title: clip(m.Title), Location: clip(t.Target)})
		}
	}
	secrets := t.Secrets.read()
	for _, s := range secrets.kept {
		location := t.Target
		if s.Line != "" {
			location += ":" + string(s.Line)
		}
		report.add(Finding{ID: clip(s.Rule), Severity: severity(s.Severity), Title: clip(s.Title), Location: clip(location)})
	}
	modified := t.Modified.read()
	for _, m := range modified.kept {
		f := m.Finding.entry(t.Target)
		f.Status, f.Reason = clip(m.Status), clip(m.Statement)
		report.add(f)
	}
	report.Total += vulnerabilities.total - len(vulnerabilities.kept) + misconfigurations.total - len(misconfigurations.kept)
	report.Total += secrets.total - len(secrets.kept) + modified.total - len(modified.kept)
}

func (v trivyFinding) entry(target string) Finding {
	return Finding{
		ID: clip(v.ID), Severity: severity(v.Severity), Package: clip(v.Package), Installed: clip(v.Installed),
		Fixed: clip(v.Fixed), Title: clip(v.Title), Location: clip(cmp.Or(v.Path, target)),
	}
}
