package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/backref/backref/coverage"
)

// The version of the format (OASIS, "Static Analysis Results Interchange Format
// (SARIF) Version 2.1.0"), and its schema.
const (
	sarifVersion = "2.1.0"
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

// sarifLog is a log of SARIF, as far as it is written here (section 3.13).
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name            string      `json:"name"`
	InformationURI  string      `json:"informationUri"`
	SemanticVersion string      `json:"semanticVersion,omitempty"`
	Rules           []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string    `json:"id"`
	ShortDescription sarifText `json:"shortDescription"`
	FullDescription  sarifText `json:"fullDescription"`
	Help             sarifText `json:"help"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex int             `json:"ruleIndex"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
	// PartialFingerprints tell a code scanning that a result is one that it has seen
	// before (section 3.27.17).
	PartialFingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	PhysicalLocation sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	ArtifactLocation sarifArtifact `json:"artifactLocation"`
	Region           sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

// sarif returns a report as a log: a rule for each requirement, and a result for each
// that an image does not meet.
func (r coverageReport) sarif() sarifLog {
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "backref", InformationURI: "https://github.com/backref/backref", Rules: []sarifRule{}}},
		Results: []sarifResult{},
	}
	at := map[string]int{}
	for i, count := range r.Summary.Requirements {
		at[count.Requirement] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID:               count.Requirement,
			ShortDescription: sarifText{"Images have " + count.Requirement},
			FullDescription:  sarifText{"Each tagged image has to have what the requirement " + count.Requirement + " says."},
			Help:             sarifText{"Attach what is missing, or replace what is too old, has expired or is not by a known signer."},
		})
	}
	for _, repository := range r.Repositories {
		for _, image := range repository.Images {
			for _, outcome := range image.Requirements {
				if outcome.State != coverage.Covered {
					run.Results = append(run.Results, sarifOf(repository.Name, image, outcome, at[outcome.Requirement]))
				}
			}
		}
	}
	return sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRun{run}}
}

// sarifOf returns one gap. Its location is the image by its tag, which is what people
// know it by; a colon in a relative URI would begin a scheme, so the host is a folder.
// Its fingerprint stays the same when the tag is moved on.
func sarifOf(repository string, image coverage.Image, outcome coverage.Outcome, rule int) sarifResult {
	level := "error"
	if outcome.State == coverage.Outdated || outcome.State == coverage.Unverified {
		level = "warning"
	}
	tag := ""
	if len(image.Tags) > 0 {
		tag = image.Tags[0]
	}
	about := repository + ":" + tag
	if image.Platform != "" {
		about += " " + image.Platform
	}
	sum := sha256.Sum256([]byte(about + "\n" + outcome.Requirement))
	return sarifResult{
		RuleID: outcome.Requirement, RuleIndex: rule, Level: level,
		Message: sarifText{fmt.Sprintf("%s: %s is %s: %s", about, outcome.Requirement, outcome.State, outcome.Reason)},
		Locations: []sarifLocation{{sarifPhysical{
			sarifArtifact{strings.ReplaceAll(repository, ":", "_") + "/" + tag}, sarifRegion{1},
		}}},
		PartialFingerprints: map[string]string{"backrefImageRequirement/v1": hex.EncodeToString(sum[:16])},
	}
}
