package artifact

import (
	"cmp"
	"strings"
)

// sarifLog is a report of a static analysis (OASIS SARIF 2.1.0, sections 3.13 to
// 3.27, 3.49), as far as it is shown.
type sarifLog struct {
	Version string        `json:"version"`
	Runs    few[sarifRun] `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name     string          `json:"name"`
			Version  string          `json:"version"`
			Semantic string          `json:"semanticVersion"`
			Rules    list[sarifRule] `json:"rules"`
		} `json:"driver"`
	} `json:"tool"`
	Results later[sarifResult] `json:"results"`
}

type sarifRule struct {
	ID            string       `json:"id"`
	Name          string       `json:"name"`
	Short         sarifMessage `json:"shortDescription"`
	Configuration struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
	Properties struct {
		// Severity is a score of CVSS, by a convention of GitHub's code scanning.
		Severity loose `json:"security-severity"`
	} `json:"properties"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string `json:"ruleId"`
	RuleIndex *int   `json:"ruleIndex"`
	Rule      struct {
		ID    string `json:"id"`
		Index *int   `json:"index"`
	} `json:"rule"`
	Level        string             `json:"level"`
	Kind         string             `json:"kind"`
	Message      sarifMessage       `json:"message"`
	Locations    few[sarifLocation] `json:"locations"`
	Suppressions few[skipped]       `json:"suppressions"`
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region struct {
			Line loose `json:"startLine"`
		} `json:"region"`
	} `json:"physicalLocation"`
}

func (r *reader) sarif(body []byte, level int) {
	log := decode[sarifLog](r, body)
	r.is(SARIF, log.Version, level)
	report := &Report{Format: SARIF}
	for i, run := range log.Runs.in(r) {
		driver := run.Tool.Driver
		if i == 0 {
			report.Tool, report.Version = clip(driver.Name), clip(cmp.Or(driver.Semantic, driver.Version))
		}
		rules := map[string]sarifRule{}
		for _, rule := range driver.Rules.kept {
			rules[rule.ID] = rule
		}
		results := run.Results.read()
		for _, result := range results.kept {
			// What passed, or doesn't apply, was not found (3.27.9).
			if result.Kind == "" || result.Kind == "fail" || result.Kind == "open" || result.Kind == "review" {
				report.add(result.finding(r, driver.Rules.kept, rules))
			}
		}
		report.Total += results.total - len(results.kept)
	}
	r.report(report)
}

// finding returns the finding with what its rule says (3.27.5 to 3.27.10).
func (s sarifResult) finding(r *reader, all []sarifRule, byID map[string]sarifRule) Finding {
	rule, known := byID[cmp.Or(s.RuleID, s.Rule.ID)]
	for _, at := range []*int{s.RuleIndex, s.Rule.Index} {
		if !known && at != nil && *at >= 0 && *at < len(all) {
			rule, known = all[*at], true
		}
	}
	f := Finding{ID: clip(cmp.Or(s.RuleID, s.Rule.ID, rule.ID)), Title: clip(cmp.Or(rule.Short.Text, s.Message.Text, rule.Name))}
	if f.Severity = scored(string(rule.Properties.Severity)); f.Severity == Unknown {
		f.Severity = levelled(cmp.Or(s.Level, rule.Configuration.Level, "warning"))
	}
	if locations := s.Locations.in(r); len(locations) > 0 {
		at := locations[0].Physical
		f.Location = at.Artifact.URI
		if line := string(at.Region.Line); line != "" && f.Location != "" {
			f.Location += ":" + line
		}
		f.Location = clip(f.Location)
	}
	if len(s.Suppressions.kept) > 0 {
		f.Status = "suppressed"
	}
	f.described(s.Message.Text)
	return f
}

// described takes the package and its versions from the text that Trivy writes:
// lines such as "Package: busybox".
func (f *Finding) described(text string) {
	for line := range strings.Lines(cutBytes(text, 4*MaxText)) {
		name, value, _ := strings.Cut(line, ":")
		value = clip(strings.TrimSpace(value))
		switch name {
		case "Package":
			f.Package = value
		case "Installed Version":
			f.Installed = value
		case "Fixed Version":
			f.Fixed = value
		}
	}
}

// levelled reads the level of a result without a score (3.27.10).
func levelled(level string) Severity {
	switch level {
	case "error":
		return High
	case "warning":
		return Medium
	case "note":
		return Low
	case "none":
		return Negligible
	default:
		return Unknown
	}
}

// add adds a finding as far as there is room, and counts it.
func (r *Report) add(f Finding) {
	if r.Total++; len(r.Findings) < MaxEntries {
		r.Findings = append(r.Findings, f)
	}
}

// report keeps a report, the first of a document.
func (r *reader) report(found *Report) {
	if found.Findings == nil {
		found.Findings = []Finding{}
	}
	r.all("findings", len(found.Findings), found.Total)
	if r.document.Report != nil {
		r.cut("another report in it is left out")
		return
	}
	r.document.Report = found
}
