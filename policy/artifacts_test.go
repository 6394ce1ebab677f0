package policy_test

import (
	"strings"
	"testing"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// Types that the tables name.
const (
	sbomType      = "application/spdx+json"
	signatureType = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

func artifactRules(t *testing.T, rules ...policy.ArtifactRule) policy.Artifacts {
	t.Helper()
	a, err := policy.NewArtifacts(rules)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Each kind of manifest, and which rules let it through.
func TestArtifactTypes(t *testing.T) {
	rules := map[string]policy.ArtifactRule{
		"images":    {Allow: []string{policy.Images}},
		"noimages":  {Deny: []string{policy.Images}},
		"spdx":      {Allow: []string{sbomType}},
		"sigstore":  {Allow: []string{"application/vnd.dev.sigstore.*"}},
		"nosboms":   {Deny: []string{"application/spdx+*", "application/vnd.cyclonedx*"}},
		"anything":  {Allow: []string{"*"}},
		"any index": {Allow: []string{oci.MediaTypeImageIndex}},
		"mixed":     {Allow: []string{policy.Images, signatureType}},
	}
	for _, c := range []struct {
		what     string
		artifact policy.Artifact
		passes   string // the rules that let it through
	}{
		{"image", policy.Artifact{MediaType: oci.MediaTypeImageManifest, Type: oci.MediaTypeImageConfig}, "images nosboms anything mixed"},
		{"Docker image", policy.Artifact{MediaType: oci.MediaTypeDockerImage, Type: oci.MediaTypeDockerConfig}, "images nosboms anything mixed"},
		{"Docker schema 1", policy.Artifact{MediaType: oci.MediaTypeDocker1Signed}, "images nosboms anything mixed"},
		{"index", policy.Artifact{MediaType: oci.MediaTypeImageIndex}, "images nosboms anything any index mixed"},
		{"manifest list", policy.Artifact{MediaType: oci.MediaTypeDockerList}, "images nosboms anything mixed"},
		{"index with a type", policy.Artifact{MediaType: oci.MediaTypeImageIndex, Type: sbomType}, "noimages spdx anything"},
		{"SBOM", policy.Artifact{MediaType: oci.MediaTypeImageManifest, Type: sbomType}, "noimages spdx anything"},
		{"SBOM in capitals", policy.Artifact{MediaType: oci.MediaTypeImageManifest, Type: "Application/SPDX+JSON"}, "noimages spdx anything"},
		{"SBOM with a parameter", policy.Artifact{MediaType: oci.MediaTypeImageManifest, Type: sbomType + "; v=2"}, "noimages spdx anything"},
		{"signature", policy.Artifact{MediaType: oci.MediaTypeImageManifest, Type: signatureType}, "noimages sigstore nosboms anything mixed"},
		{"artifact manifest without a type", policy.Artifact{MediaType: oci.MediaTypeArtifact}, "noimages nosboms anything"},
		{"image manifest without a config", policy.Artifact{MediaType: oci.MediaTypeImageManifest}, "noimages nosboms anything"},
		{"what can't be read", policy.Artifact{}, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			for name, rule := range rules {
				rule.Name, rule.Repositories, rule.Actions = name, []string{"**"}, []policy.Action{policy.Pull}
				decision := artifactRules(t, rule).For(policy.Requester{}, policy.Pull, "a").Judge(c.artifact)
				passes := strings.Contains(" "+c.passes+" ", " "+name+" ")
				if decision.Denied == passes {
					t.Errorf("rule %s denies it: %t", name, decision.Denied)
				}
				if decision.Denied && (decision.Rule != name || decision.Reason == "") {
					t.Errorf("%+v", decision)
				}
			}
		})
	}
}

// Whom, where and what a rule is about.
func TestArtifactRulesAreAbout(t *testing.T) {
	base := policy.ArtifactRule{Name: "r", Repositories: []string{"prod/**"}, Actions: []policy.Action{policy.Pull}, Deny: []string{sbomType}}
	with := func(change func(*policy.ArtifactRule)) policy.ArtifactRule {
		rule := base
		change(&rule)
		return rule
	}
	ann := policy.Client{User: "ann", Groups: []string{"dev"}}
	for _, c := range []struct {
		what       string
		rule       policy.ArtifactRule
		by         policy.Requester
		action     policy.Action
		repository string
		about      bool
	}{
		{"everybody", base, policy.Requester{}, policy.Pull, "prod/a", true},
		{"another repository", base, policy.Requester{}, policy.Pull, "test/a", false},
		{"another action", base, policy.Requester{}, policy.Push, "prod/a", false},
		{"a delete", base, policy.Requester{}, policy.Delete, "prod/a", false},
		{"the listener", with(func(r *policy.ArtifactRule) { r.Listeners = []string{"runtime"} }), policy.Requester{Listener: "runtime"}, policy.Pull, "prod/a", true},
		{"another listener", with(func(r *policy.ArtifactRule) { r.Listeners = []string{"runtime"} }), policy.Requester{Listener: "main"}, policy.Pull, "prod/a", false},
		{"the user", with(func(r *policy.ArtifactRule) { r.Users = []string{"ann"} }), policy.Requester{Client: ann}, policy.Pull, "prod/a", true},
		{"another user", with(func(r *policy.ArtifactRule) { r.Users = []string{"bob"} }), policy.Requester{Client: ann}, policy.Pull, "prod/a", false},
		{"who signed in", with(func(r *policy.ArtifactRule) { r.Users = []string{policy.Everyone} }), policy.Requester{Client: ann}, policy.Pull, "prod/a", true},
		{"nobody signed in", with(func(r *policy.ArtifactRule) { r.Users = []string{policy.Everyone} }), policy.Requester{}, policy.Pull, "prod/a", false},
		{"the group", with(func(r *policy.ArtifactRule) { r.Groups = []string{"dev"} }), policy.Requester{Client: ann}, policy.Pull, "prod/a", true},
		{"a group without a name", with(func(r *policy.ArtifactRule) { r.Groups = []string{"dev"} }), policy.Requester{Client: policy.Client{Groups: []string{"dev"}}}, policy.Pull, "prod/a", false},
		{"anonymous", with(func(r *policy.ArtifactRule) { r.Anonymous = true }), policy.Requester{}, policy.Pull, "prod/a", true},
		{"not anonymous", with(func(r *policy.ArtifactRule) { r.Anonymous = true }), policy.Requester{Client: ann}, policy.Pull, "prod/a", false},
		{"the program", with(func(r *policy.ArtifactRule) { r.UserAgents = []string{"containerd/*"} }), policy.Requester{UserAgent: "Containerd/2.1"}, policy.Pull, "prod/a", true},
		{"another program", with(func(r *policy.ArtifactRule) { r.UserAgents = []string{"containerd/*"} }), policy.Requester{UserAgent: "docker/28"}, policy.Pull, "prod/a", false},
		{"the listener, but another program", with(func(r *policy.ArtifactRule) {
			r.Listeners, r.UserAgents = []string{"runtime"}, []string{"containerd/*"}
		}), policy.Requester{Listener: "runtime", UserAgent: "docker/28"}, policy.Pull, "prod/a", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			rules := artifactRules(t, c.rule).For(c.by, c.action, c.repository)
			if (len(rules) > 0) != c.about {
				t.Errorf("%d rules are about it", len(rules))
			}
			if decision := rules.Judge(policy.Artifact{Type: sbomType}); decision.Denied != c.about {
				t.Errorf("%+v", decision)
			}
		})
	}
}

// All rules have to let something through; the first that doesn't gives its name.
func TestFirstArtifactRuleThatDeniesIsNamed(t *testing.T) {
	all := func(name string, allow ...string) policy.ArtifactRule {
		return policy.ArtifactRule{Name: name, Repositories: []string{"**"}, Actions: []policy.Action{policy.Push}, Allow: allow}
	}
	rules := artifactRules(t, all("wide", policy.Images, signatureType), all("narrow", policy.Images), all("also narrow", policy.Images)).
		For(policy.Requester{}, policy.Push, "a")
	for artifact, want := range map[policy.Artifact]string{
		{Type: oci.MediaTypeImageConfig}: "", {Type: signatureType}: "narrow", {Type: sbomType}: "wide", {}: "wide",
	} {
		if decision := rules.Judge(artifact); decision.Rule != want || decision.Denied != (want != "") {
			t.Errorf("%v: %+v, want %q", artifact, decision, want)
		}
	}
}

// A list is shown in whole or not at all.
func TestListsOfArtifacts(t *testing.T) {
	for _, c := range []struct {
		allow, deny, types []string
		shown              bool
	}{
		{allow: []string{policy.Images}, shown: false},
		{allow: []string{policy.Images}, types: []string{sbomType}, shown: false},
		{allow: []string{policy.Images}, types: []string{oci.MediaTypeImageConfig}, shown: true},
		{allow: []string{sbomType}, types: []string{sbomType}, shown: true},
		{allow: []string{sbomType}, types: []string{sbomType, signatureType}, shown: false},
		{allow: []string{"application/*"}, types: []string{"application/*"}, shown: false},
		{allow: []string{"application/*"}, types: []string{sbomType}, shown: true},
		{allow: []string{"*"}, shown: true},
		{deny: []string{sbomType}, shown: false},
		{deny: []string{sbomType}, types: []string{signatureType}, shown: true},
		{deny: []string{sbomType}, types: []string{"application/spdx+jso?"}, shown: false},
		{deny: []string{sbomType}, types: []string{"APPLICATION/SPDX+JSON"}, shown: false},
	} {
		rules := artifactRules(t, policy.ArtifactRule{Name: "r", Repositories: []string{"**"}, Actions: []policy.Action{policy.Pull}, Allow: c.allow, Deny: c.deny})
		if decision := rules.For(policy.Requester{}, policy.Pull, "a").Listing(c.types); decision.Denied == c.shown {
			t.Errorf("%+v: %+v", c, decision)
		}
	}
	if decision := (policy.ArtifactRules)(nil).Listing(nil); decision.Denied {
		t.Errorf("no rule denies: %+v", decision)
	}
}

func TestWrongArtifactRules(t *testing.T) {
	right := policy.ArtifactRule{Name: "r", Repositories: []string{"a"}, Actions: []policy.Action{policy.Pull}, Allow: []string{policy.Images}}
	for want, wrong := range map[string]func(*policy.ArtifactRule){
		"no name":                       func(r *policy.ArtifactRule) { r.Name = "" },
		"no repositories":               func(r *policy.ArtifactRule) { r.Repositories = nil },
		"pattern of repository":         func(r *policy.ArtifactRule) { r.Repositories = []string{"A"} },
		"no actions":                    func(r *policy.ArtifactRule) { r.Actions = nil },
		"neither push nor pull":         func(r *policy.ArtifactRule) { r.Actions = []policy.Action{policy.Delete} },
		"either allow or deny":          func(r *policy.ArtifactRule) { r.Deny = []string{"a/b"} },
		"pattern of media types nor im": func(r *policy.ArtifactRule) { r.Allow = []string{"image"} },
	} {
		rule := right
		wrong(&rule)
		if _, err := policy.NewArtifacts([]policy.ArtifactRule{rule}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := policy.NewArtifacts([]policy.ArtifactRule{right, right}); err == nil || !strings.Contains(err.Error(), "another rule has the name r") {
		t.Error(err)
	}
}
