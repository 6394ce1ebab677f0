package main

import (
	"fmt"
	"slices"
	"strings"
)

// markdown returns the report for people.
func (r *report) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Benchmark of backref\n\n%s, by `%s`.\n\n", r.Date.Format("2 January 2006, 15:04 MST"), r.Command)
	text.WriteString("Figures are the median over the rounds, with the least and the most in brackets. A ratio is taken within each round.\n\n")
	r.Environment.write(&text)
	for _, result := range r.Results {
		result.write(&text)
	}
	r.writeGoals(&text)
	writeList(&text, "Notes", r.Notes)
	writeList(&text, "Failures", r.Failures)
	return text.String()
}

func writeList(text *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(text, "\n## %s\n\n", title)
	for _, item := range items {
		fmt.Fprintf(text, "- %s\n", item)
	}
}

func writeRow(text *strings.Builder, cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.NewReplacer("|", "\\|", "\n", " ").Replace(cell)
	}
	fmt.Fprintf(text, "| %s |\n", strings.Join(cells, " | "))
}

func writeHead(text *strings.Builder, cells ...string) {
	writeRow(text, cells...)
	writeRow(text, slices.Repeat([]string{"---"}, len(cells))...)
}

// write writes a table: absolute figures, and ratios of the first metric.
func (r *result) write(text *strings.Builder) {
	fmt.Fprintf(text, "\n## %s\n\n%s\n\n", r.Name, r.About)
	if len(r.Contenders) > 0 && len(r.Metrics) > len(r.Contenders)+2 {
		r.writeUpright(text)
		return
	}
	head := append([]string{""}, r.Metrics...)
	for _, base := range r.bases {
		head = append(head, "/ "+base)
	}
	writeHead(text, head...)
	for _, c := range r.Contenders {
		row := []string{c.Name}
		for _, metric := range r.Metrics {
			row = append(row, c.Absolute[metric].String())
		}
		for _, base := range r.bases {
			row = append(row, c.Ratios[base].String())
		}
		writeRow(text, row...)
	}
	r.writeInvalid(text)
}

// writeUpright writes a table with a row for each of many metrics, and ratios
// of all.
func (r *result) writeUpright(text *strings.Builder) {
	head := []string{""}
	for _, c := range r.Contenders {
		head = append(head, c.Name)
	}
	for _, base := range r.bases {
		for _, c := range r.Contenders[1:] {
			head = append(head, c.Name+" / "+base)
		}
	}
	writeHead(text, head...)
	for _, metric := range r.Metrics {
		row := []string{metric}
		for _, c := range r.Contenders {
			row = append(row, c.Absolute[metric].String())
		}
		for _, base := range r.bases {
			for _, c := range r.Contenders[1:] {
				row = append(row, r.ratio(c.Name, base, metric).String())
			}
		}
		writeRow(text, row...)
	}
	r.writeInvalid(text)
}

// writeInvalid says what of a table was not measured.
func (r *result) writeInvalid(text *strings.Builder) {
	var lines []string
	for _, c := range r.Contenders {
		if c.Skipped != "" {
			lines = append(lines, fmt.Sprintf("%s was not measured: %s.", c.Name, c.Skipped))
		}
		for i, round := range c.Rounds {
			if round.Invalid != "" {
				lines = append(lines, fmt.Sprintf("Round %d of %s is not valid: %s", i+1, c.Name, strings.ReplaceAll(round.Invalid, "\n", " ")))
			}
		}
	}
	for i, line := range lines {
		if i == 0 {
			text.WriteByte('\n')
		}
		fmt.Fprintf(text, "- %s\n", line)
	}
}

func (r *report) writeGoals(text *strings.Builder) {
	text.WriteString("\n## Goals\n\n")
	writeHead(text, "goal", "wanted", "figure", "")
	for _, g := range r.Goals {
		wanted := "≥ " + figure(g.Least)
		if g.Most > 0 {
			wanted = "≤ " + figure(g.Most)
		}
		reached := g.Reached
		if reached == "" {
			reached = "not measured"
		}
		writeRow(text, g.Text, wanted, g.Figure.String(), reached)
	}
}
