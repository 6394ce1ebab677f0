package artifact

import "strings"

// grypeReport is what Grype prints with -o json (anchore/grype,
// grype/presenter/models/document.go), as far as it is shown.
type grypeReport struct {
	Matches    list[grypeMatch]  `json:"matches"`
	Ignored    list[grypeMatch]  `json:"ignoredMatches"`
	Source     grypeSource       `json:"source"`
	Descriptor anchoreDescriptor `json:"descriptor"`
}

type grypeSource struct {
	Target struct {
		UserInput string `json:"userInput"`
	} `json:"target"`
}

type grypeMatch struct {
	Vulnerability struct {
		ID          string `json:"id"`
		Severity    string `json:"severity"`
		Description string `json:"description"`
		Fix         struct {
			Versions few[string] `json:"versions"`
		} `json:"fix"`
	} `json:"vulnerability"`
	Artifact struct {
		Name      string             `json:"name"`
		Version   string             `json:"version"`
		Locations few[grypeLocation] `json:"locations"`
	} `json:"artifact"`
}

type grypeLocation struct {
	Path string `json:"path"`
}

func (r *reader) grype(body []byte, level int) {
	d := decode[grypeReport](r, body)
	r.is(Grype, d.Descriptor.Version, level)
	report := &Report{
		Format: Grype, Tool: "Grype", Version: clip(d.Descriptor.Version), Target: clip(d.Source.Target.UserInput), Created: instant(d.Descriptor.Timestamp),
	}
	for _, m := range d.Matches.kept {
		report.add(m.entry(r))
	}
	for _, m := range d.Ignored.kept {
		f := m.entry(r)
		f.Status = "suppressed"
		report.add(f)
	}
	report.Total += d.Matches.total - len(d.Matches.kept) + d.Ignored.total - len(d.Ignored.kept)
	r.report(report)
}

func (m grypeMatch) entry(r *reader) Finding {
	f := Finding{
		ID: clip(m.Vulnerability.ID), Severity: severity(m.Vulnerability.Severity), Package: clip(m.Artifact.Name), Installed: clip(m.Artifact.Version),
		Fixed: clip(strings.Join(m.Vulnerability.Fix.Versions.in(r), ", ")), Title: clip(m.Vulnerability.Description),
	}
	if locations := m.Artifact.Locations.in(r); len(locations) > 0 {
		f.Location = clip(locations[0].Path)
	}
	return f
}
