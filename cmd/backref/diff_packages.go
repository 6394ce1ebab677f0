package main

import (
	"fmt"
	"strings"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/compare"
	"github.com/backref/backref/oci"
)

// sbom writes what differs between packages, and which documents say so.
func (s *sheet) sbom(name string, d *compare.SBOMDifference) {
	if d == nil {
		return
	}
	switch d.State {
	case compare.Missing:
		s.diffLine("", name+": neither has an SBOM")
		return
	case compare.MissingA:
		s.section(name, []string{"! a has no SBOM"})
		return
	case compare.MissingB:
		s.section(name, []string{"! b has no SBOM"})
		return
	case compare.NotRead:
		s.section(name, []string{"! the SBOMs could not be read"})
		return
	case compare.Compared:
	}
	from := documentText(*d.A) + " and " + documentText(*d.B)
	if len(d.Added)+len(d.Removed)+len(d.Changed) == 0 {
		s.diffLine("", fmt.Sprintf("%s: the same %d, by %s", name, d.Unchanged, from))
	} else {
		lines := []string{fmt.Sprintf("%d added, %d removed, %d changed, %d the same", len(d.Added), len(d.Removed), len(d.Changed), d.Unchanged), "by " + from}
		s.section(name, append(lines, packageLines(d)...))
	}
	for i, document := range []*compare.Document{d.A, d.B} {
		for _, cut := range document.Cut {
			s.diffLine(styleRed, "  ! of the SBOM of "+"ab"[i:i+1]+" "+cut)
		}
		for _, doubt := range document.Doubts {
			s.diffLine(styleRed, "  ! the SBOM of "+"ab"[i:i+1]+" is "+doubt)
		}
	}
}

// packageLines writes the packages that differ.
func packageLines(d *compare.SBOMDifference) []string {
	var lines []string
	for _, p := range d.Changed {
		if p.VersionA != p.VersionB {
			lines = append(lines, fmt.Sprintf("~ %s  %s → %s", p.Name, orNone(p.VersionA), orNone(p.VersionB)))
		}
		if p.LicencesA != nil || p.LicencesB != nil {
			lines = append(lines, fmt.Sprintf("~ %s  licence %s → %s", p.Name, orNone(strings.Join(p.LicencesA, ", ")), orNone(strings.Join(p.LicencesB, ", "))))
		}
	}
	for _, p := range d.Removed {
		lines = append(lines, fmt.Sprintf("- %s  %s", p.Name, p.Version))
	}
	for _, p := range d.Added {
		lines = append(lines, fmt.Sprintf("+ %s  %s", p.Name, p.Version))
	}
	return lines
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// documentText names a document that was compared.
func documentText(d compare.Document) string {
	name := map[artifact.Format]string{artifact.SPDXJSON: "SPDX", artifact.SPDXText: "SPDX", artifact.CycloneDXJSON: "CycloneDX", artifact.SyftJSON: "syft"}[d.Format]
	text := fmt.Sprintf("%s of %d packages", name, d.Packages)
	if d.Index {
		text += " on the index"
	}
	return text
}

// descriptorOf returns an image as it is described.
func descriptorOf(i compare.Image) oci.Descriptor {
	return oci.Descriptor{MediaType: i.MediaType, ArtifactType: i.ArtifactType}
}
