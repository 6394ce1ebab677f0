package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backref/backref/oci"
)

// Images stands among the types of an [ArtifactRule] for images, which have no
// artifact type of their own: manifests whose config is that of an image, and
// indexes without an artifact type, of OCI and of Docker. What BuildKit adds to
// an index as attestations has the config of an image, and is one.
const Images = "images"

// Requester is who asks for something, by all that a rule may tell clients apart
// by. The zero value has not signed in, by no listener, with no program.
type Requester struct {
	Client
	// Listener is the name of the listener that the request came by.
	Listener string
	// UserAgent is the program that the client says it is.
	UserAgent string
}

// Artifact is a manifest, as far as an [ArtifactRule] looks at it. The zero
// Artifact is one of which nothing can be told.
type Artifact struct {
	// MediaType is that of the manifest.
	MediaType string
	// Type is its artifact type, else the media type of its config; empty where it
	// has neither.
	Type string
}

// ArtifactRule says which artifact types may be pushed to the repositories that
// match one of its patterns, or pulled from there, by the clients that it is for.
type ArtifactRule struct {
	// Name names the rule in refusals.
	Name string
	// Repositories are patterns: see [oci.Glob].
	Repositories []string
	// Actions are [Push], [Pull] or both.
	Actions []Action
	// Listeners are names of listeners, and UserAgents patterns of what clients say
	// they are (see [oci.MatchGlob], in any case of letters); none is any.
	Listeners, UserAgents []string
	// Users, Groups and Anonymous say who the client has to be: one of the users, a
	// member of one of the groups, or somebody who has not signed in. With none of
	// them the rule is for all.
	Users, Groups []string
	Anonymous     bool
	// Allow are the only types that the rule lets through, Deny those that it does
	// not: patterns of media types (see [oci.MatchGlob], in any case of letters), or
	// [Images]. One of the two is given.
	Allow, Deny []string
}

// Artifacts is a set of rules about artifact types. What a rule is about, all of
// them have to let through; what none is about passes. The zero value has no
// rules. It may be used concurrently.
type Artifacts struct {
	rules []*artifactRule
}

// artifactRule is an ArtifactRule whose patterns have been read.
type artifactRule struct {
	ArtifactRule
	repositories
}

// NewArtifacts returns the set of rules. Errors name the rule, and what of it can
// never match.
func NewArtifacts(rules []ArtifactRule) (Artifacts, error) {
	var a Artifacts
	for i, given := range rules {
		checked, err := newArtifactRule(given)
		if err != nil {
			return Artifacts{}, fmt.Errorf("rule %d (%s): %w", i+1, given.Name, err)
		}
		if slices.ContainsFunc(a.rules, func(other *artifactRule) bool { return other.Name == given.Name }) {
			return Artifacts{}, fmt.Errorf("rule %d: another rule has the name %s", i+1, given.Name)
		}
		a.rules = append(a.rules, checked)
	}
	return a, nil
}

func newArtifactRule(given ArtifactRule) (*artifactRule, error) {
	switch {
	case given.Name == "":
		return nil, errors.New("it has no name")
	case len(given.Repositories) == 0:
		return nil, errors.New("it names no repositories")
	case len(given.Actions) == 0:
		return nil, errors.New("it names no actions")
	case (len(given.Allow) > 0) == (len(given.Deny) > 0):
		return nil, errors.New("it needs either allow or deny")
	}
	rule := &artifactRule{ArtifactRule: given}
	rule.Allow, rule.Deny, rule.UserAgents = lower(given.Allow), lower(given.Deny), lower(given.UserAgents)
	var err error
	if rule.repositories, err = parseRepositories(given.Repositories); err != nil {
		return nil, err
	}
	for _, action := range given.Actions {
		if action != Push && action != Pull {
			return nil, fmt.Errorf("the action %q is neither push nor pull", action)
		}
	}
	for _, pattern := range slices.Concat(rule.Allow, rule.Deny) {
		if pattern != Images && !strings.Contains(pattern, "/") && !strings.Contains(pattern, "*") {
			return nil, fmt.Errorf("%q is neither a pattern of media types nor %s", pattern, Images)
		}
	}
	return rule, nil
}

func lower(texts []string) []string {
	folded := make([]string, len(texts))
	for i, text := range texts {
		folded[i] = strings.ToLower(text)
	}
	return folded
}

// None tells whether there are no rules at all.
func (a Artifacts) None() bool { return len(a.rules) == 0 }

// ArtifactRules are the rules that are about what somebody does in a repository;
// none where there are no such.
type ArtifactRules []*artifactRule

// For returns the rules that are about what somebody does in a repository, in
// their order.
func (a Artifacts) For(by Requester, action Action, repository string) ArtifactRules {
	var found ArtifactRules
	for _, rule := range a.rules {
		if rule.covers(repository) && slices.Contains(rule.Actions, action) && rule.includes(by) {
			found = append(found, rule)
		}
	}
	return found
}

// Judge decides about a manifest: the first rule that does not let it through is
// the one that denies it. What can't be told passes no rule.
func (r ArtifactRules) Judge(artifact Artifact) Decision {
	for _, rule := range r {
		if !rule.lets(artifact) {
			return Decision{Denied: true, Rule: rule.Name, Reason: artifact.reason()}
		}
	}
	return Decision{}
}

// Listing decides about a list of manifests which has all that are of one of the
// types, or all there are where none is given. It is denied where something could
// be in it that a rule does not let through: a list without that would not look as
// if anything were missing. A type that is a pattern counts as any.
func (r ArtifactRules) Listing(types []string) Decision {
	for _, rule := range r {
		if rule.letsAll() {
			continue
		}
		if len(types) == 0 || slices.ContainsFunc(types, func(text string) bool {
			return strings.ContainsAny(text, "*?") || !rule.lets(Artifact{Type: text})
		}) {
			return Decision{Denied: true, Rule: rule.Name, Reason: "the list may name artifacts of types that the rule keeps from you: ask by artifactType for types that it does not"}
		}
	}
	return Decision{}
}

// letsAll tells whether the rule lets everything through that can be told.
func (r *artifactRule) letsAll() bool { return slices.Contains(r.Allow, "*") }

func (r *artifactRule) lets(artifact Artifact) bool {
	if artifact == (Artifact{}) {
		return false
	}
	if len(r.Allow) > 0 {
		return slices.ContainsFunc(r.Allow, artifact.is)
	}
	return !slices.ContainsFunc(r.Deny, artifact.is)
}

// is tells whether the artifact is what a pattern says. One without a type goes by
// its own media type.
func (a Artifact) is(pattern string) bool {
	kind := bare(a.Type)
	if pattern == Images {
		return a.image()
	}
	if kind == "" {
		kind = bare(a.MediaType)
	}
	return oci.MatchGlob(pattern, kind)
}

// image tells whether the artifact is one of [Images].
func (a Artifact) image() bool {
	if kind := bare(a.Type); kind != "" {
		return oci.IsImageConfigType(kind)
	}
	switch mediaType := bare(a.MediaType); mediaType {
	case oci.MediaTypeDocker1, oci.MediaTypeDocker1Signed:
		return true
	default:
		return oci.IsIndexType(mediaType)
	}
}

// bare returns a media type as it is compared: without parameters, in small
// letters (RFC 6838, "Naming Requirements").
func bare(mediaType string) string {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(mediaType))
}

// maxReasonType bounds what a refusal repeats of a type, in bytes.
const maxReasonType = 255

// reason says what the artifact is.
func (a Artifact) reason() string {
	kind := bare(a.Type)
	switch {
	case a == Artifact{}:
		return "nothing tells of which artifact type it is"
	case a.image():
		return "it is an image"
	case kind == "":
		return "it has no artifact type"
	case len(kind) > maxReasonType:
		return "its artifact type is longer than a media type is"
	default:
		return "its artifact type is " + kind
	}
}

func (r *artifactRule) includes(by Requester) bool {
	return (len(r.Listeners) == 0 || slices.Contains(r.Listeners, by.Listener)) &&
		(len(r.UserAgents) == 0 || slices.ContainsFunc(r.UserAgents, func(pattern string) bool {
			return oci.MatchGlob(pattern, strings.ToLower(by.UserAgent))
		})) && r.means(by.Client)
}

// means tells whether the rule is for who the client is.
func (r *artifactRule) means(client Client) bool {
	switch {
	case len(r.Users) == 0 && len(r.Groups) == 0 && !r.Anonymous:
		return true
	case client.Anonymous():
		return r.Anonymous
	}
	return client.among(r.Users, r.Groups)
}
