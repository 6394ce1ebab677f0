package artifact

import (
	"bytes"
	"strings"
)

// isTagValue reports whether a text begins as the tag-value form of SPDX does
// (SPDX 2.3, 6.1): the version stands before all but comments.
func isTagValue(body []byte) bool {
	for line := range bytes.Lines(body[:min(len(body), 4096)]) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("SPDXVersion:"))
		}
	}
	return false
}

// spdxText reads an SBOM in tag-value form (SPDX 2.3, clauses 6 and 7). A package
// begins with its name; files and snippets are passed over. Texts of several lines
// are not shown.
func (r *reader) spdxText(body []byte, level int) {
	var version, name string
	var creation spdxCreation
	var packages []Package
	var current *spdxPackage
	total := 0
	end := func() {
		if current != nil && total <= MaxEntries {
			packages = append(packages, current.entry(r))
		}
		current = nil
	}
	inText := false
	for line := range bytes.Lines(body) {
		text := string(bytes.TrimSpace(line[:min(len(line), 4*MaxText)]))
		if inText {
			inText = !strings.Contains(text, "</text>")
			continue
		}
		tag, value, _ := strings.Cut(text, ":")
		value = strings.TrimSpace(value)
		inText = strings.HasPrefix(value, "<text>") && !strings.Contains(value, "</text>")
		switch tag {
		case "SPDXVersion":
			version = strings.TrimPrefix(value, "SPDX-")
		case "DocumentName":
			name = value
		case "Created":
			creation.Created = value
		case "Creator":
			creation.Creators.add(value)
		case "PackageName":
			end()
			current = &spdxPackage{Name: value}
			total++
		case "FileName", "SnippetSPDXID", "Relationship":
			end()
		default:
			current.tag(tag, value)
		}
	}
	end()
	r.is(SPDXText, version, level)
	sbom := r.newSBOM(SPDXText, version, name, creation)
	sbom.Packages, sbom.Total = append(sbom.Packages, packages...), total
	r.sbom(sbom)
}

// tag takes a line about a package.
func (p *spdxPackage) tag(tag, value string) {
	if p == nil {
		return
	}
	switch tag {
	case "PackageVersion":
		p.Version = value
	case "PackageSupplier":
		p.Supplier = value
	case "PackageLicenseDeclared":
		p.Declared = value
	case "PackageLicenseConcluded":
		p.Concluded = value
	case "PrimaryPackagePurpose":
		p.Purpose = value
	case "ExternalRef":
		if parts := strings.Fields(value); len(parts) == 3 {
			p.Refs.add(spdxLocator{parts[1], parts[2]})
		}
	}
}
