package coverage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/oci"
)

// State is how an image fares with a requirement.
type State string

// The states, from the best to the worst.
const (
	// Covered: there is what is wanted.
	Covered State = "covered"
	// Unverified: there is, but of none it could be shown that it is of who has to
	// have signed it.
	Unverified State = "unverified"
	// Outdated: all that there is, is older than it may be.
	Outdated State = "outdated"
	// Expired: all that there is says that its time is over.
	Expired State = "expired"
	// Missing: there is nothing.
	Missing State = "missing"
)

// States returns all, from the best to the worst.
func States() []State { return []State{Covered, Unverified, Outdated, Expired, Missing} }

func (s State) rank() int { return slices.Index(States(), s) }

// Way is how an artifact belongs to an image.
type Way string

// The ways.
const (
	// BySubject: it names the image as its subject.
	BySubject Way = "subject"
	// ByIndex: it names the index that lists the image.
	ByIndex Way = "index"
	// ByTag: it stands under a tag of the image, as cosign 2 keeps it.
	ByTag Way = "tag"
	// ByEntry: it is an entry of the index that says that it is about the image, as
	// BuildKit keeps attestations.
	ByEntry Way = "entry"
)

// Artifact is something that is attached to an image.
type Artifact struct {
	Digest       digest.Digest
	MediaType    string
	Size         int64
	ArtifactType string
	Kind         artifact.Kind
	// Subject is what it is attached to.
	Subject oci.Descriptor
	// Predicates are the types of its statements where there may be several, beside
	// that of Kind.
	Predicates []string
	// Annotations are those of the artifact.
	Annotations map[string]string
	// Made is when it was made, else when the index first saw it; the zero Time where
	// neither is known.
	Made time.Time
	By   Way
	// Tag is the one that it stands under, where it is [ByTag].
	Tag string
	// Verified says that it is by one of [Policy.SignedBy], and Doubt why it is not
	// shown to be.
	Verified bool
	Doubt    string
}

func (a Artifact) predicates() []string {
	if a.Kind.PredicateType == "" {
		return a.Predicates
	}
	return append([]string{a.Kind.PredicateType}, a.Predicates...)
}

// Policy says when what is there counts.
type Policy struct {
	Requirements []Requirement
	// MaxAge is how old what is wanted may be; 0 for any age.
	MaxAge time.Duration
	// ExpiryAnnotations are the annotations that say when an artifact expires.
	ExpiryAnnotations []string
	// SignedBy are the names of signers, of whom one has to have signed what is wanted,
	// where a requirement asks by kind: see [Requirement.Signed]; none for anybody.
	SignedBy []string
}

// DefaultExpiryAnnotations are the annotations by which an artifact says when it
// expires, where none are named. There is no standard one: the first is backref's
// own, the second that of lifecycle metadata of the Azure tools.
func DefaultExpiryAnnotations() []string {
	return []string{"com.github.backref.expires", "vnd.microsoft.artifact.lifecycle.end-of-life.date"}
}

// DefaultRequirements are what is wanted where nothing else is said.
func DefaultRequirements() []string { return []string{"signature", "sbom"} }

// maxAge is the longest age: what is older than a hundred years is no age.
const maxAge = 100 * 365 * 24 * time.Hour

// ParseAge reads how old something may be, such as 720h; empty is any age, 0.
func ParseAge(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	age, err := time.ParseDuration(text)
	if err != nil || age <= 0 || age > maxAge {
		return 0, errors.New("need a time above 0, such as 720h")
	}
	return age, nil
}

// maxCounted is how many artifacts an outcome names.
const maxCounted = 8

// Outcome is how an image fares with one requirement.
type Outcome struct {
	Requirement string `json:"requirement"`
	State       State  `json:"state"`
	// Artifacts are those that made the state, the newest first, eight at most.
	Artifacts []Counted `json:"artifacts,omitempty"`
	// Reason says why the requirement is not met.
	Reason string `json:"reason,omitempty"`
}

// Counted is an artifact that made a state.
type Counted struct {
	Digest       digest.Digest `json:"digest"`
	ArtifactType string        `json:"artifactType,omitempty"`
	// PredicateType is what an attestation states, where that is known.
	PredicateType string `json:"predicateType,omitempty"`
	// Made is when it was made, else when the index first saw it.
	Made *time.Time `json:"made,omitempty"`
	// By is how it belongs to the image: "subject", "index", "tag" or "entry".
	By Way `json:"by"`
}

// Judge tells how an image fares with a requirement, given what is attached to it,
// and to the index that lists it (By [ByIndex]). The best of what is there counts.
// An artifact that is older than the image is not outdated by that.
func (p Policy) Judge(r Requirement, attached []Artifact, now time.Time) Outcome {
	best := Outcome{Requirement: r.text, State: Missing}
	var counted []Artifact
	for _, a := range attached {
		if !r.Matches(a) || a.By == ByIndex && !r.inherits(a) {
			continue
		}
		state, reason := p.state(r, a, now)
		switch by := cmp.Compare(state.rank(), best.State.rank()); {
		case by > 0:
			continue
		case by < 0:
			best.State, best.Reason, counted = state, reason, nil
		case newer(counted, a):
			best.Reason = reason
		}
		counted = append(counted, a)
	}
	if best.State == Missing {
		best.Reason = r.missing(attached)
		return best
	}
	slices.SortStableFunc(counted, func(a, b Artifact) int {
		return cmp.Or(b.Made.Compare(a.Made), strings.Compare(string(a.Digest), string(b.Digest)))
	})
	for _, a := range counted[:min(len(counted), maxCounted)] {
		best.Artifacts = append(best.Artifacts, a.counted())
	}
	return best
}

// newer tells whether an artifact is newer than all of some.
func newer(than []Artifact, a Artifact) bool {
	return !slices.ContainsFunc(than, func(other Artifact) bool { return !a.Made.After(other.Made) })
}

func (a Artifact) counted() Counted {
	c := Counted{Digest: a.Digest, ArtifactType: a.ArtifactType, By: a.By, PredicateType: strings.Join(a.predicates(), ",")}
	if !a.Made.IsZero() {
		made := a.Made.UTC()
		c.Made = &made
	}
	return c
}

// state tells how far an artifact that is wanted counts, and why not wholly.
func (p Policy) state(r Requirement, a Artifact, now time.Time) (State, string) {
	for _, key := range p.ExpiryAnnotations {
		if at, err := time.Parse(time.RFC3339, a.Annotations[key]); err == nil && !now.Before(at) {
			return Expired, fmt.Sprintf("expired at %s, as its annotation %s says", at.UTC().Format(time.RFC3339), key)
		}
	}
	switch {
	case p.MaxAge > 0 && a.Made.IsZero():
		return Outdated, "it is not known when it was made"
	case p.MaxAge > 0 && now.Sub(a.Made) > p.MaxAge:
		return Outdated, fmt.Sprintf("made at %s, which is longer ago than %s", a.Made.UTC().Format(time.RFC3339), p.MaxAge)
	case p.AsksFor(r) && !a.Verified:
		return Unverified, cmp.Or(a.Doubt, "it is not shown who signed it")
	default:
		return Covered, ""
	}
}

// AsksFor tells whether it has to be known who signed what a requirement wants.
func (p Policy) AsksFor(r Requirement) bool { return len(p.SignedBy) > 0 && r.Signed() }

// Fresh tells whether an artifact would meet a requirement if it were known to be by
// who has to have signed it: of no other it has to be asked.
func (p Policy) Fresh(r Requirement, a Artifact, now time.Time) bool {
	if !r.Matches(a) || a.By == ByIndex && !r.inherits(a) {
		return false
	}
	a.Verified = true
	state, _ := p.state(r, a, now)
	return state == Covered
}

// missing says what is missing. Somebody who looks for the SBOM of an index may have
// attached it to each image, or the other way round.
func (r Requirement) missing(attached []Artifact) string {
	if slices.ContainsFunc(attached, func(a Artifact) bool { return a.By == ByIndex && r.Matches(a) }) {
		return "only the index that lists the image has one, and it is about the index"
	}
	return "nothing of this kind is attached"
}
