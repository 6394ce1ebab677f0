package policy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// world is a repository as the model of retention sees it: plain, and slow.
type world struct {
	now       time.Time
	rules     []policy.RetentionRule
	manifests []policy.RetentionManifest
	tags      map[string]digest.Digest
	locked    map[string]bool
	gone      map[digest.Digest]time.Time
}

// decide has the rules decide, with everything told in the order given.
func (w *world) decide(t interface{ Fatal(args ...any) }, order []int) *policy.RetentionDecisions {
	rules, err := policy.NewRetention(w.rules)
	if err != nil {
		t.Fatal(err)
	}
	graph := rules.Graph("app", w.now)
	for _, i := range order {
		graph.Add(w.manifests[i])
	}
	for tag, manifest := range w.tags {
		graph.Tag(tag, manifest)
		if w.locked[tag] {
			graph.Lock(tag, manifest, "lock")
		}
	}
	for manifest, since := range w.gone {
		graph.Gone(manifest, since)
	}
	return graph.Decide()
}

func (w *world) has(d digest.Digest) (policy.RetentionManifest, bool) {
	for _, m := range w.manifests {
		if m.Digest == d {
			return m, true
		}
	}
	return policy.RetentionManifest{}, false
}

// list tells whether a manifest is a list of referrers.
func (w *world) list(m policy.RetentionManifest) bool {
	if m.Subject != "" {
		return false
	}
	subjects := map[digest.Digest]bool{}
	for _, entry := range m.Lists {
		if listed, known := w.has(entry); known {
			subjects[listed.Subject] = true
		}
	}
	if len(subjects) != 1 || subjects[""] {
		return false
	}
	for subject := range subjects {
		for tag, of := range w.tags {
			if of == m.Digest && (tag != oci.ReferrersTag(subject) && tag != oci.HiddenTag(m.Digest) || w.locked[tag]) {
				return false
			}
		}
	}
	return !w.listed(m.Digest, func(by policy.RetentionManifest) bool { return by.Subject == "" })
}

// listed tells whether one of some manifests lists another.
func (w *world) listed(d digest.Digest, by func(policy.RetentionManifest) bool) bool {
	return slices.ContainsFunc(w.manifests, func(m policy.RetentionManifest) bool { return by(m) && slices.Contains(m.Lists, d) })
}

func (w *world) selects(rule policy.RetentionRule, m policy.RetentionManifest) bool {
	if m.Subject == "" || rule.Selects != nil && !rule.Selects(w.now)(m.ArtifactType, m.Annotations) {
		return false
	}
	if rule.SubjectGoneFor == 0 {
		return true
	}
	since, gone := w.gone[m.Subject]
	sheltered := w.listed(m.Subject, func(index policy.RetentionManifest) bool {
		_, indexGone := w.gone[index.Digest]
		return index.Subject == "" && !indexGone && !w.list(index)
	})
	return gone && !sheltered && w.now.Sub(since) > rule.SubjectGoneFor
}

func (w *world) keeps(rule policy.RetentionRule, m policy.RetentionManifest) bool {
	if !w.selects(rule, m) {
		return false
	}
	before := 0
	for _, other := range w.manifests {
		if w.selects(rule, other) && other.Subject == m.Subject && other.ArtifactType == m.ArtifactType &&
			(other.Made.After(m.Made) || other.Made.Equal(m.Made) && other.Digest < m.Digest) {
			before++
		}
	}
	return rule.Keep.All || before < rule.Keep.Newest || rule.Keep.YoungerThan > 0 && w.now.Sub(m.Made) < rule.Keep.YoungerThan
}

// kept tells whether any rule keeps a referrer, and removed whether any removes it.
func (w *world) kept(m policy.RetentionManifest) bool {
	return slices.ContainsFunc(w.rules, func(rule policy.RetentionRule) bool { return w.keeps(rule, m) })
}

func (w *world) removed(m policy.RetentionManifest) bool {
	return slices.ContainsFunc(w.rules, func(rule policy.RetentionRule) bool { return w.selects(rule, m) && !w.keeps(rule, m) })
}

func (w *world) tagged(m policy.RetentionManifest) bool {
	for tag, of := range w.tags {
		if of == m.Digest && (tag != oci.HiddenTag(m.Digest) || w.locked[tag]) {
			return true
		}
	}
	return false
}

// remaining returns the referrers that stay: what is held, and what it names, and what
// no rule removes and whose subject stays, over and over.
func (w *world) remaining() map[digest.Digest]bool {
	stays := map[digest.Digest]bool{}
	for grown := true; grown; {
		before := len(stays)
		for _, m := range w.manifests {
			_, subjectKnown := w.has(m.Subject)
			if m.Subject == "" || w.tagged(m) || w.kept(m) || !w.removed(m) && (stays[m.Subject] || !subjectKnown) {
				stays[m.Digest] = true
			}
			if !stays[m.Digest] {
				continue
			}
			if m.Subject != "" {
				stays[m.Subject] = true
			}
			for _, entry := range m.Lists {
				if !w.list(m) || w.listed(m.Digest, func(by policy.RetentionManifest) bool { return stays[by.Digest] }) {
					stays[entry] = true
				}
			}
		}
		grown = len(stays) > before
	}
	return stays
}

// draw makes up a repository. Each manifest names earlier ones, as digests can't
// otherwise.
func draw(t *rapid.T) *world {
	w := &world{
		now: time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC), tags: map[string]digest.Digest{}, locked: map[string]bool{},
		gone: map[digest.Digest]time.Time{},
	}
	age := func(label string) time.Duration {
		return time.Duration(rapid.IntRange(0, 8).Draw(t, label)) * time.Hour
	}
	for i := range rapid.IntRange(1, 14).Draw(t, "manifests") {
		m := policy.RetentionManifest{Digest: digest.FromString(fmt.Sprint(i)), Made: w.now.Add(-age("made"))}
		named := func(label string) digest.Digest {
			return digest.FromString(fmt.Sprint(rapid.IntRange(0, max(0, i-1)).Draw(t, label)))
		}
		if i > 0 && rapid.IntRange(0, 4).Draw(t, "referrer") > 0 {
			m.Subject = named("subject")
			m.ArtifactType = rapid.SampledFrom([]string{"sig", "sbom", "att"}).Draw(t, "type")
			m.Annotations = map[string]string{"env": rapid.SampledFrom([]string{"dev", "prod"}).Draw(t, "env")}
		}
		if i > 0 && rapid.IntRange(0, 3).Draw(t, "index") == 0 {
			for range rapid.IntRange(1, 3).Draw(t, "entries") {
				m.Lists = append(m.Lists, named("entry"))
			}
		}
		w.manifests = append(w.manifests, m)
		w.drawNames(t, m, age)
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "rules") {
		w.rules = append(w.rules, drawRule(t, i, age))
	}
	return w
}

// drawNames gives a manifest tags, or has it gone.
func (w *world) drawNames(t *rapid.T, m policy.RetentionManifest, age func(string) time.Duration) {
	switch rapid.IntRange(0, 9).Draw(t, "tag") {
	case 0:
		w.tags["v-"+m.Digest.Encoded()[:8]] = m.Digest
	case 1:
		tag := "release-" + m.Digest.Encoded()[:8]
		w.tags[tag], w.locked[tag] = m.Digest, true
	case 2:
		w.tags[oci.HiddenTag(m.Digest)] = m.Digest
	case 3:
		w.tags[oci.ReferrersTag(m.Digest)] = m.Digest
	case 4:
		w.tags[oci.ReferrersTag(w.manifests[0].Digest)] = m.Digest
	case 5:
		w.gone[m.Digest] = w.now.Add(-age("gone"))
	}
}

func drawRule(t *rapid.T, i int, age func(string) time.Duration) policy.RetentionRule {
	rule := policy.RetentionRule{Name: fmt.Sprintf("rule %d", i), Repositories: []string{"**"}}
	kind, env := rapid.SampledFrom([]string{"", "sig", "sbom"}).Draw(t, "of type"), rapid.SampledFrom([]string{"", "dev"}).Draw(t, "of env")
	rule.Selects = func(time.Time) func(string, map[string]string) bool {
		return func(artifactType string, annotations map[string]string) bool {
			return (kind == "" || artifactType == kind) && (env == "" || annotations["env"] == env)
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "keep") {
	case 0:
		rule.Keep.All = true
	case 1:
		rule.Keep.Newest = rapid.IntRange(1, 2).Draw(t, "newest")
	case 2:
		rule.Keep.YoungerThan = age("younger")
	case 3:
		rule.Keep.Newest, rule.Keep.YoungerThan = 1, age("younger")
	}
	if rapid.IntRange(0, 2).Draw(t, "orphans") == 0 {
		rule.SubjectGoneFor = age("gone for") + time.Minute
	}
	return rule
}

// Over random graphs: the decisions are those of the model, and what they promise
// holds whatever the model says.
func TestRetentionModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		order := make([]int, len(w.manifests))
		for i := range order {
			order[i] = i
		}
		told := tell(w.decide(t, order))
		if other := tell(w.decide(t, rapid.Permutation(order).Draw(t, "order"))); other != told {
			t.Fatalf("told in another order:\n%s\nbefore:\n%s", other, told)
		}
		var removed []digest.Digest
		for decision := range w.decide(t, order).Removed() {
			removed = append(removed, decision.Digest)
			w.checkRule(t, decision)
		}
		w.checkPromises(t, removed)
		stays := w.remaining()
		for _, m := range w.manifests {
			if stays[m.Digest] == slices.Contains(removed, m.Digest) {
				t.Fatalf("%s: the model says that it stays: %t\n%s", m.Digest, stays[m.Digest], told)
			}
		}
		w.carryOut(removed)
		order = order[:len(w.manifests)]
		for i := range order {
			order[i] = i
		}
		if again := w.decide(t, order); again.Removals() > 0 {
			t.Fatalf("once more there goes:\n%s\nafter:\n%s", tell(again), told)
		}
	})
}

// checkRule makes sure that a removal is told by a rule that removes, and a reason.
func (w *world) checkRule(t *rapid.T, decision policy.RetentionDecision) {
	m, _ := w.has(decision.Digest)
	for ; !w.removed(m); m, _ = w.has(m.Subject) {
		if m.Subject == "" {
			t.Fatalf("%+v goes by no rule", decision)
		}
	}
	i := slices.IndexFunc(w.rules, func(rule policy.RetentionRule) bool { return w.selects(rule, m) && !w.keeps(rule, m) })
	if decision.Rule != w.rules[i].Name || decision.Reason == "" {
		t.Fatalf("%+v goes by %s", decision, w.rules[i].Name)
	}
}

// checkPromises makes sure of what has to hold however it was decided.
func (w *world) checkPromises(t *rapid.T, removed []digest.Digest) {
	goes := func(d digest.Digest) bool { return slices.Contains(removed, d) }
	for _, m := range w.manifests {
		switch {
		case goes(m.Digest) && m.Subject == "":
			t.Fatalf("%s goes without a subject", m.Digest)
		case goes(m.Digest) && w.tagged(m):
			t.Fatalf("%s goes, which a tag names", m.Digest)
		case goes(m.Digest) && w.kept(m):
			t.Fatalf("%s goes, which a rule keeps", m.Digest)
		case goes(m.Digest):
			at := slices.Index(removed, m.Digest)
			for _, named := range append(slices.Clone(m.Lists), m.Subject) {
				if slices.Contains(removed[:at], named) {
					t.Fatalf("%s goes before %s, which names it", named, m.Digest)
				}
			}
		case m.Subject != "" && goes(m.Subject):
			t.Fatalf("%s stays without its subject", m.Digest)
		case slices.ContainsFunc(m.Lists, goes) && (!w.list(m) || w.listed(m.Digest, func(by policy.RetentionManifest) bool { return !goes(by.Digest) })):
			t.Fatalf("%s stays without what it lists", m.Digest)
		}
	}
}

// carryOut deletes what goes, with the hidden tags of what goes.
func (w *world) carryOut(removed []digest.Digest) {
	gone := func(d digest.Digest) bool { return slices.Contains(removed, d) }
	w.manifests = slices.DeleteFunc(w.manifests, func(m policy.RetentionManifest) bool { return gone(m.Digest) })
	maps.DeleteFunc(w.tags, func(_ string, d digest.Digest) bool { return gone(d) })
	for _, d := range removed {
		w.gone[d] = w.now
	}
}

func tell(d *policy.RetentionDecisions) string {
	var text strings.Builder
	for decision := range d.Kept() {
		fmt.Fprintf(&text, "%+v\n", decision)
	}
	for decision := range d.Removed() {
		fmt.Fprintf(&text, "%+v\n", decision)
	}
	fmt.Fprintln(&text, d.Keeps(), d.Removals(), d.InTheirPlace())
	return text.String()
}
