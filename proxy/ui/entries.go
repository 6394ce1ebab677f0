package ui

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backref/backref/artifact"
)

// packageList is a page of the packages of an SBOM.
type packageList struct {
	Format   artifact.Format    `json:"format"`
	Called   string             `json:"called"`
	Version  string             `json:"version,omitempty"`
	Name     string             `json:"name,omitempty"`
	Created  *time.Time         `json:"created,omitempty"`
	Tools    []string           `json:"tools,omitempty"`
	Search   string             `json:"search,omitempty"`
	Packages []artifact.Package `json:"packages"`
	// Found is how many packages the search finds, Total how many there are.
	Found int `json:"found"`
	Total int `json:"total"`
	part
}

// findingList is a page of the findings of a report.
type findingList struct {
	Format   artifact.Format    `json:"format"`
	Called   string             `json:"called"`
	Tool     string             `json:"tool,omitempty"`
	Version  string             `json:"version,omitempty"`
	Target   string             `json:"target,omitempty"`
	Created  *time.Time         `json:"created,omitempty"`
	Search   string             `json:"search,omitempty"`
	Severity string             `json:"severity,omitempty"`
	Counts   []severityCount    `json:"counts"`
	Findings []artifact.Finding `json:"findings"`
	Found    int                `json:"found"`
	Total    int                `json:"total"`
	part
}

// severityCount is how many findings of a report have a severity.
type severityCount struct {
	Severity artifact.Severity `json:"severity"`
	Count    int               `json:"count"`
	// URL leads to these alone.
	URL string `json:"-"`
}

// part is where a page of entries stands in all of them.
type part struct {
	// File is the number of the artifact's file, as the query has it; All leads to all
	// of its entries.
	File string `json:"-"`
	All  string `json:"-"`
	// First and Last are the numbers of its entries, from 1; 0 where there is none.
	First    int    `json:"first"`
	Last     int    `json:"last"`
	Previous string `json:"previous,omitempty"`
	Next     string `json:"next,omitempty"`
}

// newPart returns the part of so many entries that a query asks for.
func newPart(query url.Values, entries int) (part, error) {
	number := 1
	if text := query.Get("page"); text != "" {
		var err error
		if number, err = strconv.Atoi(text); err != nil || number < 1 || number > artifact.MaxEntries {
			return part{}, invalidError("A page is a whole number from 1.")
		}
	}
	to := func(number int) string {
		other := cloned(query)
		other.Set("page", strconv.Itoa(number))
		return "?" + other.Encode()
	}
	first := (number - 1) * shownEntries
	p := part{First: first + 1, Last: min(first+shownEntries, entries), File: query.Get("file"), All: "?"}
	if p.File != "" {
		p.All += url.Values{"file": {p.File}}.Encode()
	}
	if first >= entries {
		p.First, p.Last = 0, 0
	}
	if number > 1 {
		p.Previous = to(number - 1)
	}
	if first+shownEntries < entries {
		p.Next = to(number + 1)
	}
	return p, nil
}

// of returns the entries of a part.
func of[E any](p part, all []E) []E {
	if p.First == 0 {
		return []E{}
	}
	return all[p.First-1 : p.Last]
}

// newPackageList returns the packages that a query asks for.
func newPackageList(sbom *artifact.SBOM, query url.Values) (*packageList, error) {
	list := &packageList{
		Format: sbom.Format, Called: called(sbom.Format), Version: sbom.Version, Name: sbom.Name, Created: sbom.Created, Tools: sbom.Tools,
		Search: strings.TrimSpace(query.Get("q")), Total: sbom.Total,
	}
	found := sbom.Packages
	if list.Search != "" {
		found = slices.DeleteFunc(slices.Clone(found), func(p artifact.Package) bool {
			return !holds(list.Search, append([]string{p.Name, p.Version, p.PURL, p.Supplier}, p.Licences...)...)
		})
	}
	var err error
	list.Found = len(found)
	list.part, err = newPart(query, len(found))
	list.Packages = of(list.part, found)
	return list, err
}

// holds reports whether one of some texts has another in it, in whatever case.
func holds(search string, texts ...string) bool {
	search = strings.ToLower(search)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), search) })
}

// newFindingList returns the findings that a query asks for, the gravest first.
func newFindingList(report *artifact.Report, query url.Values) (*findingList, error) {
	list := &findingList{
		Format: report.Format, Called: called(report.Format), Tool: report.Tool, Version: report.Version, Target: report.Target, Created: report.Created,
		Search: strings.TrimSpace(query.Get("q")), Severity: query.Get("severity"), Total: report.Total,
	}
	severities := artifact.Severities()
	if list.Severity != "" && !slices.Contains(severities, artifact.Severity(list.Severity)) {
		return nil, invalidError("A severity is one of critical, high, medium, low, negligible and unknown.")
	}
	counts := report.Counts()
	for _, severity := range severities {
		if counts[severity] == 0 {
			continue
		}
		only := cloned(query)
		only.Del("page")
		only.Set("severity", string(severity))
		list.Counts = append(list.Counts, severityCount{severity, counts[severity], "?" + only.Encode()})
	}
	found := slices.DeleteFunc(slices.Clone(report.Findings), func(f artifact.Finding) bool {
		return list.Severity != "" && f.Severity != artifact.Severity(list.Severity) ||
			list.Search != "" && !holds(list.Search, f.ID, f.Package, f.Title, f.Location, f.Status)
	})
	slices.SortStableFunc(found, func(a, b artifact.Finding) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
	var err error
	list.Found = len(found)
	list.part, err = newPart(query, len(found))
	list.Findings = of(list.part, found)
	return list, err
}
