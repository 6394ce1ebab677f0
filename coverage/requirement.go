package coverage

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/oci"
)

// The bounds of requirements: each is tried with each artifact of each image.
const (
	// MaxRequirements is how many may be asked for at once.
	MaxRequirements = 32
	maxText         = 1024
	maxPlatforms    = 32
)

// Requirement is something that images have to have. The zero Requirement is none;
// [Parse] makes them. It may be used concurrently.
type Requirement struct {
	text string
	// kind is what is wanted; zero where it is told by an artifact type.
	kind artifact.Kinds
	// predicate is a pattern of predicate types; empty for any.
	predicate string
	// artifactType is a pattern; empty where kind tells.
	artifactType string
	// platforms are those of the images that it is about.
	platforms Platforms
}

// Platforms choose images of an index by their platforms. The zero Platforms choose
// none: they stand for the index itself.
type Platforms struct {
	each  bool
	names []string
}

// word for all platforms.
const eachPlatform = "each"

// attestationPrefix begins a requirement of a predicate type.
const attestationPrefix = "attestation:"

// Parse reads a requirement:
//
//	TYPE[@PLATFORMS]
//
// TYPE is a kind (signature, sbom, attestation, report), attestation: and a pattern
// of predicate types, or a pattern of artifact types: * stands for any characters, ?
// for one. PLATFORMS, behind the last @, are os/architecture[/variant] with commas
// between, or each; without them the requirement is about what is tagged itself.
func Parse(text string) (Requirement, error) {
	r := Requirement{text: text}
	switch {
	case text == "":
		return Requirement{}, fmt.Errorf("need what images have to have: %s", wanted)
	case len(text) > maxText:
		return Requirement{}, fmt.Errorf("need %d bytes at most", maxText)
	case strings.ContainsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }):
		return Requirement{}, fmt.Errorf("%q has a space, or a character that can't be printed", text)
	}
	what := text
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		platforms, err := ParsePlatforms(text[at+1:])
		if err != nil {
			return Requirement{}, fmt.Errorf("%q: %w", text, err)
		}
		what, r.platforms = text[:at], platforms
	}
	kind, known := artifact.KindNamed(what)
	predicate, ofPredicate := strings.CutPrefix(what, attestationPrefix)
	switch {
	case known:
		r.kind = kind
	case ofPredicate && predicate != "":
		r.kind, r.predicate = artifact.KindAttestation, predicate
	case strings.ContainsAny(what, "/*") && !ofPredicate:
		r.artifactType = what
	default:
		return Requirement{}, fmt.Errorf("%q: need %s", text, wanted)
	}
	return r, nil
}

// wanted says what a requirement may be.
const wanted = "signature, sbom, attestation, report, attestation:PREDICATE or an artifact type such as application/spdx+json, with @each or @linux/amd64,linux/arm64 behind for the images of an index"

// ParseAll reads requirements, each once: [MaxRequirements] at most, and one at
// least.
func ParseAll(texts []string) ([]Requirement, error) {
	var all []Requirement
	for _, text := range texts {
		r, err := Parse(text)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(other Requirement) bool { return other.text == text }) {
			all = append(all, r)
		}
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("need what images have to have: %s", wanted)
	case len(all) > MaxRequirements:
		return nil, fmt.Errorf("need %d requirements at most", MaxRequirements)
	default:
		return all, nil
	}
}

// String returns the requirement as it was given.
func (r Requirement) String() string { return r.text }

// Platforms returns the images of an index that the requirement is about; none where
// it is about what is tagged itself.
func (r Requirement) Platforms() Platforms { return r.platforms }

// Matches tells whether an artifact is what the requirement wants.
func (r Requirement) Matches(a Artifact) bool {
	if r.artifactType != "" {
		return oci.MatchGlob(r.artifactType, a.ArtifactType)
	}
	if r.predicate == "" {
		return a.Kind.Has(r.kind)
	}
	if !a.Kind.Has(artifact.KindAttestation) {
		return false
	}
	return slices.ContainsFunc(a.predicates(), func(stated string) bool { return oci.MatchGlob(r.predicate, stated) })
}

// Signed tells whether it can be asked who signed what the requirement wants: of what
// is wanted by its kind, which as a signature or a signed attestation it can be. An
// artifact type says nothing of signatures.
func (r Requirement) Signed() bool { return r.artifactType == "" }

// inherits tells whether an artifact of an index counts for the images that it
// lists. A signature covers the digest of the index and so those that stand in it.
// Anything else is about what it is attached to.
func (r Requirement) inherits(a Artifact) bool {
	return a.Kind.Has(artifact.KindSignature) && r.Matches(a)
}

// NeedsPredicates tells whether the requirement can only be judged where the
// predicate types of attestations are known.
func (r Requirement) NeedsPredicates() bool {
	return r.artifactType == "" && (r.predicate != "" || r.kind == artifact.KindSBOM || r.kind == artifact.KindReport)
}
