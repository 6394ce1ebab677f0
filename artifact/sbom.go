package artifact

import (
	"slices"
	"time"
)

// SBOM is a list of what something is made of.
type SBOM struct {
	// Format is that of the list itself, wherever it was found: [SPDXJSON], say.
	Format  Format `json:"format"`
	Version string `json:"version,omitempty"`
	Name    string `json:"name,omitempty"`
	// Created is when it was made, Tools what made it.
	Created  *time.Time `json:"created,omitempty"`
	Tools    []string   `json:"tools,omitempty"`
	Packages []Package  `json:"packages"`
	// Total is how many packages the document has, those that are cut too.
	Total int `json:"total"`
}

// Package is an entry of an SBOM.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// PURL is its package URL.
	PURL string `json:"purl,omitempty"`
	// Licences are expressions, sorted, each once; none where nothing is asserted.
	Licences []string `json:"licences,omitempty"`
	Supplier string   `json:"supplier,omitempty"`
	// Type is what the document calls it, in lower case: library, container, deb.
	Type string `json:"type,omitempty"`
}

// licences sorts licences and drops those that assert nothing (SPDX 2.3, 7.13).
func licences(found ...string) []string {
	var all []string
	for _, text := range found {
		if text = clip(text); text != "" && text != "NOASSERTION" && text != "NONE" {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
