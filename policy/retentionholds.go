package policy

import (
	"cmp"
	"slices"
)

// hold finds what stays: first what is held by itself, with all that it names, then
// what no rule removes and whose subject stays, with all that it names.
func (d *RetentionDecisions) hold() {
	listed := d.listed()
	lists := make(map[int32]bool)
	for _, at := range d.order {
		if d.graph.nodes[at].known && d.isReferrersList(at, listed) {
			lists[at] = true
		}
	}
	spread := &spreading{d: d, listsNothing: lists}
	for _, at := range d.order {
		if node := &d.graph.nodes[at]; node.subject == none {
			spread.stays(at, staysOtherwise, none)
		} else if held := d.heldByItself(at); held != goes {
			spread.stays(at, held, none)
		}
	}
	spread.run(false)
	for _, at := range d.order {
		if d.fates[at].stays != goes {
			spread.queue = append(spread.queue, at)
		}
	}
	spread.run(true)
}

// heldByItself tells whether a referrer is held by a tag or a rule.
func (d *RetentionDecisions) heldByItself(at int32) stayReason {
	node := &d.graph.nodes[at]
	switch {
	case node.tags != nil && node.tags.locked != "":
		return staysLocked
	case node.tags != nil && node.tags.hold(""):
		return staysTagged
	case d.fates[at].keeper != none:
		return staysByRule
	default:
		return goes
	}
}

// spreading is how it spreads that something stays.
type spreading struct {
	d            *RetentionDecisions
	listsNothing map[int32]bool
	queue        []int32
}

func (s *spreading) stays(at int32, why stayReason, by int32) {
	if fate := &s.d.fates[at]; fate.stays == goes {
		fate.stays, fate.by = why, by
		s.queue = append(s.queue, at)
	}
}

// listedBy spreads to what a manifest lists. What it lists is no list of referrers
// then, even if that was held for one.
func (s *spreading) listedBy(at int32) {
	for _, entry := range s.d.graph.nodes[at].lists {
		s.stays(entry, staysListed, at)
		if s.listsNothing[entry] {
			delete(s.listsNothing, entry)
			s.queue = append(s.queue, entry)
		}
	}
}

// run goes on until nothing more stays. referrers says that those stay too which no
// rule removes and whose subject stays.
func (s *spreading) run(referrers bool) {
	for len(s.queue) > 0 {
		at := s.queue[0]
		s.queue = s.queue[1:]
		node := &s.d.graph.nodes[at]
		if node.subject != none {
			s.stays(node.subject, staysSubject, at)
		}
		if !s.listsNothing[at] {
			s.listedBy(at)
		}
		if !referrers {
			continue
		}
		for _, referrer := range s.d.dependents[at] {
			if s.d.fates[referrer].remover == none {
				s.stays(referrer, staysOtherwise, none)
			}
		}
	}
}

// remove finds what goes, and in which order.
func (d *RetentionDecisions) remove() {
	g := d.graph
	goesToo := func(at int32) bool { return g.nodes[at].referrer() && d.fates[at].stays == goes }
	// How many of those that go name it.
	named := make(map[int32]int)
	names := func(at int32, each func(int32)) {
		for _, other := range append([]int32{g.nodes[at].subject}, g.nodes[at].lists...) {
			if goesToo(other) {
				each(other)
			}
		}
	}
	var wave []int32
	for _, at := range d.order {
		if goesToo(at) {
			names(at, func(other int32) { named[other]++ })
		}
	}
	for _, at := range d.order {
		if goesToo(at) && named[at] == 0 {
			wave = append(wave, at)
		}
	}
	for len(wave) > 0 {
		d.removed = append(d.removed, wave...)
		var next []int32
		for _, at := range wave {
			names(at, func(other int32) {
				if named[other]--; named[other] == 0 {
					next = append(next, other)
				}
			})
		}
		slices.SortFunc(next, func(a, b int32) int { return cmp.Compare(g.nodes[a].digest, g.nodes[b].digest) })
		wave = next
	}
}
