package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/backref/backref/client"
	"github.com/backref/backref/coverage"
)

// print writes a report: as a table only the gaps, unless all is wanted.
func (r coverageReport) print(o *output, all bool) error {
	if o.format == formatSARIF {
		encoder := json.NewEncoder(o.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(r.sarif())
	}
	return o.print(r, nil, func(s *sheet) { r.show(s, all) })
}

// show writes a row for each requirement that an image does not meet, and the counts.
func (r coverageReport) show(s *sheet, all bool) {
	var rows [][]string
	for _, repository := range r.Repositories {
		for _, image := range repository.Images {
			for _, outcome := range image.Requirements {
				if all || outcome.State != coverage.Covered {
					rows = append(rows, []string{
						nameOfImage(repository.Name, image), s.digest(image.Digest), outcome.Requirement, string(outcome.State), outcome.Reason,
					})
				}
			}
		}
	}
	if len(rows) > 0 {
		s.table([]column{
			{name: "IMAGE", cut: true},
			{name: "DIGEST", wide: !s.whole},
			{name: "REQUIREMENT", cut: true},
			{name: "STATE"},
			{name: "WHY", cut: true},
		}, rows)
		_, _ = fmt.Fprintln(s)
	}
	for _, count := range r.Summary.Requirements {
		var parts []string
		for _, state := range coverage.States() {
			if n := count.Of(state); n > 0 || state == coverage.Covered {
				parts = append(parts, fmt.Sprintf("%d %s", n, state))
			}
		}
		_, _ = fmt.Fprintf(s, "%s: %s\n", client.Printable(count.Requirement), strings.Join(parts, ", "))
	}
	_, _ = fmt.Fprintf(s, "%d of %d images have all\n", r.Summary.Covered, r.Summary.Images)
}

// nameOfImage names an image for people: by its first tag, and as one of an index by
// its platform.
func nameOfImage(repository string, image coverage.Image) string {
	name := repository
	_, path, found := strings.Cut(repository, "/")
	if found {
		name = path
	}
	if len(image.Tags) > 0 {
		name += ":" + image.Tags[0]
	}
	if more := len(image.Tags) - 1; more > 0 {
		name += fmt.Sprintf(" +%d", more)
	}
	if image.Platform != "" {
		name += " " + image.Platform
	}
	return name
}
