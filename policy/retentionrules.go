package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// ask asks each rule about each referrer.
func (d *RetentionDecisions) ask() {
	g := d.graph
	shielded := d.shielded()
	for i := range g.rules {
		rule := &g.rules[i]
		var selected []int32
		for _, at := range d.order {
			node := &g.nodes[at]
			if !slices.Contains(g.statically(node), i) || rule.SubjectGoneFor > 0 && (shielded[node.subject] || !g.goneFor(node.subject, rule.SubjectGoneFor)) {
				continue
			}
			selected = append(selected, at)
		}
		newest := d.newest(selected, rule.Keep.Newest)
		for _, at := range selected {
			d.fates[at].judge(int32(i), rule, newest[at], g.youngerThan(at, rule.Keep.YoungerThan))
		}
	}
}

// judge takes what a rule says of a referrer that it selects.
func (f *retentionFate) judge(rule int32, says *retentionRule, newest, young bool) {
	keeps := says.Keep.All || newest || young
	if keeps || !says.keepsOnly {
		f.selected = true
	}
	f.newest = f.newest || newest
	switch {
	case keeps && f.keeper == none:
		f.keeper, f.byAge = rule, young && !newest
	case !keeps && !says.keepsOnly && f.remover == none:
		f.remover = rule
	}
}

// goneFor tells whether a subject has been gone for longer.
func (g *RetentionGraph) goneFor(subject int32, least time.Duration) bool {
	gone := g.nodes[subject].gone
	return gone != 0 && time.Unix(0, gone).Add(least).Before(g.now)
}

func (g *RetentionGraph) youngerThan(at int32, age time.Duration) bool {
	return age > 0 && time.Unix(0, g.nodes[at].made).After(g.now.Add(-age))
}

// newest returns which of the selected are the n newest of their subject and type. Of
// those that were made at once the first digest comes first.
func (d *RetentionDecisions) newest(selected []int32, n int) map[int32]bool {
	if n == 0 {
		return nil
	}
	nodes := d.graph.nodes
	groups := map[[2]int32][]int32{}
	for _, at := range selected {
		of := [2]int32{nodes[at].subject, nodes[at].artifactType}
		groups[of] = append(groups[of], at)
	}
	newest := map[int32]bool{}
	for _, group := range groups {
		// They come in the order of their digests.
		slices.SortStableFunc(group, func(a, b int32) int { return cmp.Compare(nodes[b].made, nodes[a].made) })
		for _, at := range group[:min(n, len(group))] {
			newest[at] = true
		}
	}
	return newest
}

// shielded are the digests that an index lists which has no subject and is there.
func (d *RetentionDecisions) shielded() map[int32]bool {
	listed := d.listed()
	shielded := map[int32]bool{}
	for _, at := range d.order {
		node := &d.graph.nodes[at]
		if !node.known || node.subject != none || node.gone != 0 || d.isReferrersList(at, listed) {
			continue
		}
		for _, entry := range node.lists {
			shielded[entry] = true
		}
	}
	return shielded
}

// listed are the digests that a manifest without a subject lists.
func (d *RetentionDecisions) listed() map[int32]bool {
	listed := map[int32]bool{}
	for i := range d.graph.nodes {
		if node := &d.graph.nodes[i]; node.subject == none {
			for _, entry := range node.lists {
				listed[entry] = true
			}
		}
	}
	return listed
}

// isReferrersList tells whether a manifest is a list of referrers, unless a referrer
// that stays lists it: see [Retention].
func (d *RetentionDecisions) isReferrersList(at int32, listed map[int32]bool) bool {
	node := &d.graph.nodes[at]
	if node.subject != none || len(node.lists) == 0 || listed[at] {
		return false
	}
	subject := int32(none)
	for _, entry := range node.lists {
		of := &d.graph.nodes[entry]
		switch {
		case !of.known:
		case of.subject == none, subject != none && subject != of.subject:
			return false
		default:
			subject = of.subject
		}
	}
	if subject == none {
		return false
	}
	return node.tags == nil || !node.tags.hold(d.graph.nodes[subject].digest)
}

// hold tells whether there is another tag than the one that lists the referrers of
// the subject, which may be empty.
func (t *retentionTags) hold(subject digest.Digest) bool {
	return t.plain != "" || t.locked != "" || slices.ContainsFunc(t.referrers, func(tag string) bool {
		return subject == "" || tag != oci.ReferrersTag(subject)
	})
}
