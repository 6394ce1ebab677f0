package policy

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// RetentionManifest is a manifest as rules of retention see it.
type RetentionManifest struct {
	Digest       digest.Digest
	ArtifactType string
	Annotations  map[string]string
	// Subject is empty where the manifest has none.
	Subject digest.Digest
	// Lists are the manifests that an image index lists, and Doubtful what it lists
	// that may be one.
	Lists, Doubtful []digest.Digest
	// Made is when it was made, as far as that is known.
	Made time.Time
}

// RetentionGraph is what is known of one repository: what may go, and all that may
// hold it. A manifest takes some hundred bytes in it, however large its annotations
// are. What is told of the repository is told in any order; the decisions are the
// same. It is for one goroutine.
type RetentionGraph struct {
	rules []retentionRule
	now   time.Time
	// selects are the rules' own, for the time.
	selects []func(artifactType string, annotations map[string]string) bool

	nodes    []retentionNode
	byDigest map[digest.Digest]int32
	types    interned
	// sets are those of rules, in the order of the rules.
	sets   interned
	setsOf [][]int
}

// none stands for no node.
const none = -1

// retentionNode is a manifest that is in the graph, or a digest that is named there.
type retentionNode struct {
	digest digest.Digest
	// known says that the manifest itself is in the graph, and wanted that an index
	// lists it as one.
	known, wanted bool
	subject       int32
	lists         []int32
	// artifactType and set are of the graph's: set are the rules that select the
	// manifest by all but its subject.
	artifactType, set int32
	made              int64 // Unix nanoseconds
	// gone is since when the registry has not got it, in Unix nanoseconds; 0 where
	// it is there.
	gone int64
	tags *retentionTags
}

// retentionTags are what names a manifest: the first in the order of the alphabet.
type retentionTags struct {
	plain, locked, lockedBy string
	// referrers are those of the form of a referrers tag.
	referrers []string
}

// Graph returns what decides over a repository at a time; nil where no rule is about
// it.
func (r *Retention) Graph(repository string, now time.Time) *RetentionGraph {
	g := &RetentionGraph{now: now, byDigest: map[digest.Digest]int32{}}
	for _, rule := range r.all() {
		if !rule.covers(repository) {
			continue
		}
		selects := func(string, map[string]string) bool { return true }
		if rule.Selects != nil {
			selects = rule.Selects(now)
		}
		g.rules, g.selects = append(g.rules, rule), append(g.selects, selects)
	}
	if len(g.rules) == 0 {
		return nil
	}
	return g
}

// Add takes a manifest. The same one may be added again.
func (g *RetentionGraph) Add(m RetentionManifest) {
	at := g.node(m.Digest)
	subject := int32(none)
	if m.Subject != "" {
		subject = g.node(m.Subject)
	}
	var lists []int32
	for _, listed := range m.Lists {
		entry := g.node(listed)
		g.nodes[entry].wanted = true
		lists = append(lists, entry)
	}
	for _, listed := range m.Doubtful {
		lists = append(lists, g.node(listed))
	}
	node := &g.nodes[at]
	node.known, node.subject, node.lists = true, subject, lists
	if subject == none {
		return
	}
	node.artifactType, node.made = g.types.number(m.ArtifactType), nanoseconds(m.Made)
	node.set = g.setOf(m)
}

// nanoseconds returns a time as the graph keeps it; one that is out of reach is the
// first or last that isn't.
func nanoseconds(t time.Time) int64 {
	switch year := t.UTC().Year(); {
	case year < 1970: //nolint:mnd // The first year of Unix.
		return 0
	case year > 2200: //nolint:mnd // int64 ends in 2262.
		t = time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.UnixNano()
}

// setOf returns the number of the set of the rules that select a manifest by all but
// its subject.
func (g *RetentionGraph) setOf(m RetentionManifest) int32 {
	var rules []int
	for i, selects := range g.selects {
		if selects(m.ArtifactType, m.Annotations) {
			rules = append(rules, i)
		}
	}
	set := g.sets.number(fmt.Sprint(rules))
	if int(set) == len(g.setsOf) {
		g.setsOf = append(g.setsOf, rules)
	}
	return set
}

// Len returns how many digests the graph has.
func (g *RetentionGraph) Len() int { return len(g.nodes) }

// Knows tells whether a manifest was added.
func (g *RetentionGraph) Knows(manifest digest.Digest) bool {
	at, named := g.byDigest[manifest]
	return named && g.nodes[at].known
}

// Names tells whether the graph has a digest, added or named by what was.
func (g *RetentionGraph) Names(manifest digest.Digest) bool {
	_, named := g.byDigest[manifest]
	return named
}

// Tag takes a tag and what it stands for.
func (g *RetentionGraph) Tag(tag string, manifest digest.Digest) {
	if tag == oci.HiddenTag(manifest) || tag == oci.KeptTag(manifest) {
		return
	}
	tags := g.tagsOf(manifest)
	if oci.IsReferrersTag(tag) {
		if !slices.Contains(tags.referrers, tag) {
			tags.referrers = append(tags.referrers, tag)
			slices.Sort(tags.referrers)
		}
		return
	}
	if tags.plain == "" || tag < tags.plain {
		tags.plain = tag
	}
}

// Lock takes a tag that a rule locks, and what the tag stands for.
func (g *RetentionGraph) Lock(tag string, manifest digest.Digest, rule string) {
	if tags := g.tagsOf(manifest); tags.locked == "" || tag < tags.locked {
		tags.locked, tags.lockedBy = tag, rule
	}
}

// Gone says that the registry has not got a manifest, as is known since some time.
func (g *RetentionGraph) Gone(manifest digest.Digest, since time.Time) {
	g.nodes[g.node(manifest)].gone = since.UnixNano()
}

// Drop takes a manifest back that was added.
func (g *RetentionGraph) Drop(manifest digest.Digest) {
	if at, named := g.byDigest[manifest]; named {
		node := &g.nodes[at]
		node.known, node.subject, node.lists = false, none, nil
	}
}

// Subjects returns what a rule may want to know of whether the registry has it:
// subjects, and the image indexes that list them.
func (g *RetentionGraph) Subjects() iter.Seq[digest.Digest] {
	wanted := map[int32]bool{}
	for i := range g.nodes {
		node := &g.nodes[i]
		if slices.ContainsFunc(g.statically(node), func(rule int) bool { return g.rules[rule].SubjectGoneFor > 0 }) {
			wanted[node.subject] = true
		}
	}
	return func(yield func(digest.Digest) bool) {
		for i := range g.nodes {
			node := &g.nodes[i]
			shields := node.known && node.subject == none && slices.ContainsFunc(node.lists, func(listed int32) bool { return wanted[listed] })
			if (wanted[int32(i)] || shields) && !yield(node.digest) {
				return
			}
		}
	}
}

// Unknown are the manifests that a tag names, or an image index lists, and nobody has
// added. They may be indexes themselves, and hold what they list. Lists of referrers
// are left out, of which old ones name much that is gone.
func (g *RetentionGraph) Unknown() []digest.Digest {
	d := &RetentionDecisions{graph: g}
	listed := d.listed()
	unknown := map[int32]bool{}
	for i := range g.nodes {
		at, node := int32(i), &g.nodes[i]
		if !node.known && node.tags != nil {
			unknown[at] = true
		}
		if !node.known || d.isReferrersList(at, listed) {
			continue
		}
		for _, entry := range node.lists {
			if of := &g.nodes[entry]; of.wanted && !of.known {
				unknown[entry] = true
			}
		}
	}
	var all []digest.Digest
	for at := range unknown {
		all = append(all, g.nodes[at].digest)
	}
	slices.Sort(all)
	return all
}

// Selected tells whether a rule may select anything.
func (g *RetentionGraph) Selected() bool {
	for i := range g.nodes {
		if len(g.statically(&g.nodes[i])) > 0 {
			return true
		}
	}
	return false
}

func (g *RetentionGraph) node(manifest digest.Digest) int32 {
	if at, named := g.byDigest[manifest]; named {
		return at
	}
	// The text may be a part of a larger one.
	manifest = digest.Digest(strings.Clone(string(manifest)))
	at := int32(len(g.nodes)) //nolint:gosec // Memory is over before.
	g.nodes = append(g.nodes, retentionNode{digest: manifest, subject: none})
	g.byDigest[manifest] = at
	return at
}

func (g *RetentionGraph) tagsOf(manifest digest.Digest) *retentionTags {
	node := &g.nodes[g.node(manifest)]
	if node.tags == nil {
		node.tags = &retentionTags{}
	}
	return node.tags
}

// statically returns the rules that select a manifest by all but its subject.
func (g *RetentionGraph) statically(node *retentionNode) []int {
	if !node.referrer() {
		return nil
	}
	return g.setsOf[node.set]
}

// referrer tells whether it is a manifest in the graph that has a subject.
func (n *retentionNode) referrer() bool { return n.known && n.subject != none }

// interned are texts of which there are few, by numbers. Its zero value has none.
type interned struct {
	texts   []string
	numbers map[string]int32
}

func (i *interned) number(text string) int32 {
	if n, known := i.numbers[text]; known {
		return n
	}
	if i.numbers == nil {
		i.numbers = map[string]int32{}
	}
	text = strings.Clone(text)
	n := int32(len(i.texts)) //nolint:gosec // There are few.
	i.texts, i.numbers[text] = append(i.texts, text), n
	return n
}

func (i *interned) text(n int32) string { return i.texts[n] }
