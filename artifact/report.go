package artifact

import (
	"strconv"
	"strings"
	"time"
)

// Report is what a scan found, or what is said of known vulnerabilities.
type Report struct {
	// Format is that of the report itself, wherever it was found: [SARIF], say.
	Format  Format     `json:"format"`
	Tool    string     `json:"tool,omitempty"`
	Version string     `json:"version,omitempty"`
	Target  string     `json:"target,omitempty"`
	Created *time.Time `json:"created,omitempty"`
	// Findings are in the order of the document.
	Findings []Finding `json:"findings"`
	// Total is how many there are, those that are cut too.
	Total int `json:"total"`
}

// Finding is one of a report.
type Finding struct {
	ID        string   `json:"id"`
	Severity  Severity `json:"severity"`
	Package   string   `json:"package,omitempty"`
	Installed string   `json:"installed,omitempty"`
	Fixed     string   `json:"fixed,omitempty"`
	Title     string   `json:"title,omitempty"`
	Location  string   `json:"location,omitempty"`
	// Status is what is said of it beyond being found: that of a VEX statement
	// (not_affected, affected, fixed, under_investigation), or suppressed.
	Status string `json:"status,omitempty"`
	// Reason is why, where that is told.
	Reason string `json:"reason,omitempty"`
}

// Severity is one of a few words, whatever a tool calls it.
type Severity string

// The severities, the gravest first.
const (
	Critical   Severity = "critical"
	High       Severity = "high"
	Medium     Severity = "medium"
	Low        Severity = "low"
	Negligible Severity = "negligible"
	Unknown    Severity = "unknown"
)

// Severities returns all severities, the gravest first.
func Severities() []Severity {
	return []Severity{Critical, High, Medium, Low, Negligible, Unknown}
}

// Counts returns how many of the findings that are kept have which severity.
func (r *Report) Counts() map[Severity]int {
	counts := map[Severity]int{}
	for _, f := range r.Findings {
		counts[f.Severity]++
	}
	return counts
}

// severity reads the word of a tool.
func severity(word string) Severity {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "critical":
		return Critical
	case "high", "important":
		return High
	case "medium", "moderate":
		return Medium
	case "low", "minor":
		return Low
	case "negligible", "info", "informational", "none":
		return Negligible
	default:
		return Unknown
	}
}

// scored reads a score of CVSS by its qualitative scale (CVSS v3.1, section 5).
func scored(text string) Severity {
	score, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || score < 0 || score > 10:
		return Unknown
	case score >= 9:
		return Critical
	case score >= 7:
		return High
	case score >= 4:
		return Medium
	case score > 0:
		return Low
	default:
		return Negligible
	}
}
