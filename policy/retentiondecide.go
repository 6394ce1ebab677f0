package policy

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// RetentionDecision is what becomes of a referrer, and why.
type RetentionDecision struct {
	Digest       digest.Digest
	ArtifactType string
	Subject      digest.Digest
	// Made is what its age was told by.
	Made time.Time
	// Remove says that it goes.
	Remove bool
	// Rule is the name of the rule that decides: of retention, or of locks where a
	// locked tag holds the referrer. It is empty where something else holds it.
	Rule string
	// Reason says why, in words that follow "because".
	Reason string
}

// RetentionDecisions are what becomes of the referrers of one repository. They are
// of the graph as it was, which is not to be changed while they are read.
type RetentionDecisions struct {
	graph *RetentionGraph
	// order are all nodes, in the order of their digests.
	order []int32
	// dependents are, of each node, the referrers that have it as their subject.
	dependents [][]int32
	fates      []retentionFate
	removed    []int32
}

// retentionFate is what becomes of a node.
type retentionFate struct {
	// selected are the rules that select it, keeper the first that keeps it and
	// remover the first that removes it; none for none.
	selected        bool
	keeper, remover int32
	// byAge says that the keeper keeps it as one that is young, and newest that any
	// rule keeps it as one of the newest.
	byAge, newest bool
	stays         stayReason
	// by is what stays, or goes, and takes it along.
	by int32
}

// stayReason says why a node stays.
type stayReason uint8

const (
	goes stayReason = iota
	staysOtherwise
	staysLocked
	staysTagged
	staysByRule
	staysListed
	staysSubject
)

// Decide says what becomes of the referrers that rules select, and of those that go
// with them.
func (g *RetentionGraph) Decide() *RetentionDecisions {
	d := &RetentionDecisions{graph: g, fates: make([]retentionFate, len(g.nodes)), dependents: make([][]int32, len(g.nodes))}
	d.order = make([]int32, len(g.nodes))
	for i := range d.order {
		d.order[i] = int32(i)
		d.fates[i] = retentionFate{keeper: none, remover: none, by: none}
	}
	slices.SortFunc(d.order, func(a, b int32) int { return cmp.Compare(g.nodes[a].digest, g.nodes[b].digest) })
	for _, at := range d.order {
		if node := &g.nodes[at]; node.referrer() {
			d.dependents[node.subject] = append(d.dependents[node.subject], at)
		}
	}
	d.ask()
	d.hold()
	d.remove()
	return d
}

// Kept are the referrers that a rule selects and that stay, in the order of their
// digests.
func (d *RetentionDecisions) Kept() iter.Seq[RetentionDecision] {
	return func(yield func(RetentionDecision) bool) {
		for _, at := range d.order {
			if d.fates[at].selected && d.fates[at].stays != goes && !yield(d.decision(at)) {
				return
			}
		}
	}
}

// Removed are the referrers that go, in the order in which they are to be deleted:
// what names another one, as its subject or in its list, comes before that one.
func (d *RetentionDecisions) Removed() iter.Seq[RetentionDecision] {
	return func(yield func(RetentionDecision) bool) {
		for _, at := range d.removed {
			if !yield(d.decision(at)) {
				return
			}
		}
	}
}

// Removals is how many referrers go.
func (d *RetentionDecisions) Removals() int { return len(d.removed) }

// Keeps is how many referrers [RetentionDecisions.Kept] has.
func (d *RetentionDecisions) Keeps() int {
	n := 0
	for i := range d.fates {
		if d.fates[i].selected && d.fates[i].stays != goes {
			n++
		}
	}
	return n
}

// InTheirPlace are the referrers that are kept as the newest of those of which others
// go. The registry should be seen to have them before anything goes; one that it has
// not is to be dropped from the graph, see [RetentionGraph.Drop].
func (d *RetentionDecisions) InTheirPlace() []digest.Digest {
	var all []digest.Digest
	replaced := map[[2]int32]bool{}
	for _, at := range d.removed {
		node := &d.graph.nodes[at]
		replaced[[2]int32{node.subject, node.artifactType}] = true
	}
	for _, at := range d.order {
		fate, node := d.fates[at], &d.graph.nodes[at]
		if fate.newest && replaced[[2]int32{node.subject, node.artifactType}] {
			all = append(all, node.digest)
		}
	}
	return all
}

func (d *RetentionDecisions) decision(at int32) RetentionDecision {
	node, fate := &d.graph.nodes[at], d.fates[at]
	decision := RetentionDecision{
		Digest: node.digest, ArtifactType: d.graph.types.text(node.artifactType), Subject: d.graph.nodes[node.subject].digest,
		Made: time.Unix(0, node.made).UTC(), Remove: fate.stays == goes,
	}
	decision.Rule, decision.Reason = d.because(at)
	return decision
}

// because returns the rule that decides, and why.
func (d *RetentionDecisions) because(at int32) (rule, reason string) {
	g, node, fate := d.graph, &d.graph.nodes[at], d.fates[at]
	switch fate.stays {
	case staysLocked:
		return node.tags.lockedBy, "the locked tag " + node.tags.locked + " names it"
	case staysTagged:
		return "", "the tag " + node.tags.name() + " names it"
	case staysByRule:
		return g.rules[fate.keeper].Name, d.keeps(fate)
	case staysListed:
		return "", "the index " + g.nodes[fate.by].digest.String() + " lists it"
	case staysSubject:
		return "", "it is the subject of " + g.nodes[fate.by].digest.String() + ", which stays"
	case goes:
		if fate.remover == none {
			return g.rules[d.root(at)].Name, "its subject goes"
		}
		return g.rules[fate.remover].Name, d.removes(at)
	default:
		// Of those that a rule is left to keep by: see Only.
		return "", "no rule removes it"
	}
}

func (d *RetentionDecisions) keeps(fate retentionFate) string {
	keep := d.graph.rules[fate.keeper].Keep
	switch {
	case keep.All:
		return "the rule keeps all"
	case fate.byAge:
		return fmt.Sprintf("it is younger than %s", retentionAge(keep.YoungerThan))
	default:
		return fmt.Sprintf("it is among the newest %d of its subject and type", keep.Newest)
	}
}

func (d *RetentionDecisions) removes(at int32) string {
	rule := d.graph.rules[d.fates[at].remover]
	switch keep := rule.Keep; {
	case keep.Newest > 0 && keep.YoungerThan > 0:
		return fmt.Sprintf("it is neither among the newest %d of its subject and type nor younger than %s", keep.Newest, retentionAge(keep.YoungerThan))
	case keep.Newest > 0:
		return fmt.Sprintf("it is not among the newest %d of its subject and type", keep.Newest)
	case keep.YoungerThan > 0:
		return fmt.Sprintf("it is not younger than %s", retentionAge(keep.YoungerThan))
	case rule.SubjectGoneFor > 0:
		since := time.Unix(0, d.graph.nodes[d.graph.nodes[at].subject].gone).UTC()
		return "its subject has been gone since " + since.Format(time.RFC3339)
	default:
		return "the rule keeps none"
	}
}

// root returns the rule by which the subject goes that takes a referrer along.
func (d *RetentionDecisions) root(at int32) int32 {
	for d.fates[at].remover == none {
		at = d.graph.nodes[at].subject
	}
	return d.fates[at].remover
}

// name is the tag that is told.
func (t *retentionTags) name() string {
	if t.plain != "" {
		return t.plain
	}
	return t.referrers[0]
}

// retentionAge leaves out what is 0 at the end.
func retentionAge(age time.Duration) string {
	if age%time.Hour == 0 {
		return fmt.Sprintf("%dh", age/time.Hour)
	}
	return age.String()
}
