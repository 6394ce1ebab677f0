package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/policy"
)

func TestCascadeRules(t *testing.T) {
	cascades, err := policy.NewCascades([]policy.CascadeRule{
		{Name: "scans", Repositories: []string{"dev/**"}, ArtifactTypes: []string{"application/vnd.scan*"}},
		{Name: "all", Repositories: []string{"**"}, LastTag: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		repository, rule string
		untagged         bool
	}{{"dev/a", "scans", false}, {"dev/a", "all", true}, {"a", "all", false}} {
		if _, rule, found := cascades.For(c.repository, c.untagged); !found || rule != c.rule {
			t.Errorf("%+v: rule %q", c, rule)
		}
	}
	var none *policy.Cascades
	if _, _, found := none.For("a", false); found {
		t.Error("a rule of none")
	}
	for name, rules := range map[string][]policy.CascadeRule{
		"has no name":         {{Repositories: []string{"a"}}},
		"two rules":           {{Name: "x"}, {Name: "x"}},
		"rule x":              {{Name: "x", Repositories: []string{"A"}}},
		"an artifact type is": {{Name: "x", ArtifactTypes: []string{""}}},
	} {
		if _, err := policy.NewCascades(rules); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func name(text string) digest.Digest { return digest.FromString(text) }

func TestPlanCascade(t *testing.T) {
	image, sbom, signature, scan, index := name("image"), name("sbom"), name("signature"), name("scan"), name("index")
	family := func(change func(sbom, signature, scan *policy.Member)) []policy.Member {
		members := []policy.Member{
			{Digest: sbom, Subject: image, ArtifactType: "sbom"}, {Digest: scan, Subject: image, ArtifactType: "scan"},
			{Digest: signature, Subject: sbom, ArtifactType: "signature"},
		}
		change(&members[0], &members[2], &members[1])
		return members
	}
	for name, c := range map[string]struct {
		types  []string
		change func(sbom, signature, scan *policy.Member)
		gone   []digest.Digest
	}{
		"all, children first":               {nil, func(_, _, _ *policy.Member) {}, []digest.Digest{signature, scan, sbom}},
		"of a type, with what refers to it": {[]string{"sb*"}, func(_, _, _ *policy.Member) {}, []digest.Digest{signature, sbom}},
		"a type below does not count":       {[]string{"signature"}, func(_, _, _ *policy.Member) {}, nil},
		"a tag holds it and its subject":    {nil, func(_, signature, _ *policy.Member) { signature.Tag = "v1" }, []digest.Digest{scan}},
		"a tag holds it and its referrers":  {nil, func(sbom, _, _ *policy.Member) { sbom.Tag = "v1" }, []digest.Digest{scan}},
		"an index holds it":                 {nil, func(_, _, scan *policy.Member) { scan.ListedBy = []digest.Digest{index} }, []digest.Digest{signature, sbom}},
		"the deleted one lists it":          {nil, func(_, _, scan *policy.Member) { scan.ListedBy = []digest.Digest{image} }, []digest.Digest{signature, scan, sbom}},
		"an index that goes lists it": {nil, func(sbom, _, scan *policy.Member) {
			scan.ListedBy, sbom.Lists = []digest.Digest{sbom.Digest}, []digest.Digest{scan.Digest}
		}, []digest.Digest{signature, scan, sbom}},
		"an index that stays lists it": {nil, func(sbom, _, scan *policy.Member) {
			scan.ListedBy, sbom.Lists, sbom.Tag = []digest.Digest{sbom.Digest}, []digest.Digest{scan.Digest}, "v1"
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			types, err := policy.NewTypes(c.types)
			if err != nil {
				t.Fatal(err)
			}
			gone, kept := policy.PlanCascade(image, types, family(c.change))
			var digests []digest.Digest
			for _, member := range gone {
				digests = append(digests, member.Digest)
			}
			if !slices.Equal(digests, c.gone) || len(gone)+len(kept) != 3 {
				t.Errorf("gone %v, kept %v", gone, kept)
			}
			for _, member := range kept {
				if member.Reason == "" {
					t.Errorf("%s stays for no reason", member.Digest)
				}
			}
		})
	}
}

// Over random families: nothing that is held goes, nor what a held one needs, what
// is held by nothing goes, and each goes before its subject.
func TestPlanCascadeOfAnyFamily(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := name("root")
		count := rapid.IntRange(0, 12).Draw(t, "members")
		members := make([]policy.Member, count)
		at := func(i int) digest.Digest { return name(fmt.Sprint(i)) }
		for i := range members {
			m := &members[i]
			m.Digest, m.Subject = at(i), root
			if above := rapid.IntRange(-1, i-1).Draw(t, "above"); above >= 0 {
				m.Subject = at(above)
			}
			if rapid.IntRange(0, 5).Draw(t, "tagged") == 0 {
				m.Tag = "v1"
			}
			if rapid.IntRange(0, 8).Draw(t, "listed") == 0 {
				m.ListedBy = append(m.ListedBy, name("elsewhere"))
			}
		}
		gone, kept := policy.PlanCascade(root, policy.Types{}, members)
		stays := map[digest.Digest]bool{}
		for _, k := range kept {
			stays[k.Digest] = true
		}
		// What is held, the ones above it up to the root, and all below those.
		held := map[digest.Digest]bool{}
		for range members {
			for _, m := range members {
				if m.Tag != "" || len(m.ListedBy) > 0 || held[m.Subject] {
					held[m.Digest] = true
				}
				if held[m.Digest] && m.Subject != root {
					held[m.Subject] = true
				}
			}
		}
		for _, m := range members {
			if stays[m.Digest] != held[m.Digest] {
				t.Fatalf("%s stays: %v, held: %v, of %v", m.Digest, stays[m.Digest], held[m.Digest], members)
			}
		}
		for i, m := range gone {
			if slices.ContainsFunc(gone[:i], func(earlier policy.Member) bool { return earlier.Digest == m.Subject }) {
				t.Fatalf("%s goes after its subject", m.Digest)
			}
		}
	})
}
