package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// verdicts are the results of a run of the suite by the names of its tests.
type verdicts map[string]string

// fails returns the tests that failed, without the groups that only failed
// because a test in them did.
func (v verdicts) fails() []string {
	var fails []string
	for name, verdict := range v {
		if verdict == "FAIL" && !v.isGroup(name) {
			fails = append(fails, name)
		}
	}
	slices.Sort(fails)
	return fails
}

func (v verdicts) isGroup(name string) bool {
	for other := range v {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// aboutReferrers are the groups of the suite that the referrers API, and the
// subject of manifests, are tested in.
var aboutReferrers = []string{"empty", "artifacts-with-subject", "index-with-subject", "missing-subject", "invalid-digest-format"}

// inReferrersGroup tells whether a test belongs to one of the groups.
func inReferrersGroup(name string) bool {
	parts := strings.Split(name, "/")
	return slices.Contains(aboutReferrers, parts[0]) || slices.Contains(parts, "invalid-digest-format") ||
		slices.Contains(parts, "referrers")
}

// suite runs the conformance suite against a host.
func suite(t *testing.T, version, host string) verdicts {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), rig.Tool(t, "conformance"))
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "OCI_VERSION="+version, "OCI_REGISTRY="+host, "OCI_TLS=disabled",
		"OCI_REPO1=conformance/one", "OCI_REPO2=conformance/two")
	// Its exit code says that something failed, which is what is compared.
	output, _ := cmd.CombinedOutput()
	const root = "OCI Conformance Test"
	results := verdicts{}
	for line := range strings.Lines(string(output)) {
		name, verdict, found := strings.Cut(strings.TrimSpace(line), ": ")
		if found && strings.HasPrefix(name, root+"/") && !strings.Contains(verdict, " ") {
			name = strings.TrimPrefix(name, root+"/")
			// A test is run for each manifest of its group, in no fixed order.
			if results[name] != "FAIL" {
				results[name] = verdict
			}
		}
	}
	if len(results) < 50 {
		t.Fatalf("the suite did not run:\n%s", output)
	}
	return results
}

// run is a registry that a version of the suite runs against, directly and through
// backref.
type run struct {
	suite, registry string
	// start starts an empty one, and returns its URL.
	start func(t *testing.T) string
	// failing is how many tests may fail through backref, and ofReferrers how
	// many of them may be in a group about referrers. Neither may rise.
	failing, ofReferrers int
	// args are what this registry needs of backref beyond its defaults.
	args []string
}

// runs are all of them, with what fails today.
func runs() []run {
	distribution2 := func(t *testing.T) string { return rig.NewRegistry(t, rig.Distribution2).URL }
	distribution3 := func(t *testing.T) string { return rig.NewRegistry(t, rig.Distribution3).URL }
	docker27 := func(t *testing.T) string { return rig.NewDocker27(t).URL }
	crane := func(t *testing.T) string { return rig.NewCraneRegistry(t).URL }
	olareg := func(t *testing.T) string { return rig.NewOlareg(t).URL }
	strict := func(t *testing.T) string {
		return rig.NewStrict(t, distribution3(t), rig.DockerTypesOnly(http.StatusBadRequest), rig.SHA512()).URL
	}
	return []run{
		{"1.1", "Distribution 2.8", distribution2, 0, 0, nil},
		{"dev", "Distribution 2.8", distribution2, 0, 0, nil},
		{"1.1", "Distribution 3.1", distribution3, 0, 0, nil},
		{"dev", "Distribution 3.1", distribution3, 0, 0, nil},
		{"1.1", "docker/distribution 2.7.1", docker27, 0, 0, nil},
		{"1.1", "crane registry serve", crane, 0, 0, nil},
		{"1.1", "olareg", olareg, 0, 0, nil},
		{"1.1", "Docker's types and sha256 only", strict, 0, 0, []string{"--set", "upstream.shims.hashes=true"}},
	}
}

// What fails through backref fails at the registry too, and there is no more of it
// than the table says.
func TestConformance(t *testing.T) {
	all := runs()
	summary := make([]string, len(all))
	t.Run("registries", func(t *testing.T) {
		for i, run := range all {
			t.Run(run.suite+"/"+run.registry, func(t *testing.T) {
				t.Parallel()
				direct := suite(t, run.suite, strings.TrimPrefix(run.start(t), "http://"))
				through := suite(t, run.suite, rig.NewBackref(t, run.start(t), run.args...).Host)
				t.Log("\n" + byGroup(direct, through))
				run.check(t, direct, through)
				summary[i] = fmt.Sprintf("%-5s %-32s %8d %8d", run.suite, run.registry, len(direct.fails()), len(through.fails()))
			})
		}
	})
	rig.Report(t, fmt.Sprintf("%-38s %8s %8s\n%s", "conformance: what fails", "directly", "backref", strings.Join(summary, "\n")))
}

// check compares both with each other and with what may fail.
func (r run) check(t *testing.T, direct, through verdicts) {
	t.Helper()
	fails := through.fails()
	var ofReferrers []string
	for _, name := range fails {
		if direct[name] != "FAIL" {
			t.Errorf("through backref: FAIL %s, directly: %s", name, direct[name])
		}
		if inReferrersGroup(name) {
			ofReferrers = append(ofReferrers, name)
		}
	}
	if len(fails) > r.failing {
		t.Errorf("%d tests fail through backref, %d may:\n%s", len(fails), r.failing, strings.Join(fails, "\n"))
	}
	if len(ofReferrers) > r.ofReferrers {
		t.Errorf("%d tests about referrers fail through backref, %d may:\n%s", len(ofReferrers), r.ofReferrers, strings.Join(ofReferrers, "\n"))
	}
	if len(fails) < r.failing || len(ofReferrers) < r.ofReferrers {
		t.Logf("%d tests fail through backref, %d of them about referrers: the table can say so", len(fails), len(ofReferrers))
	}
}

// byGroup shows how both runs went, by the groups of the suite.
func byGroup(direct, through verdicts) string {
	groups := map[string]bool{}
	for name := range direct {
		group, _, _ := strings.Cut(name, "/")
		groups[group] = true
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-32s %18s %18s\n", "group", "direct pass/fail", "backref pass/fail")
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		passed, failed := direct.count(group)
		passedThrough, failedThrough := through.count(group)
		fmt.Fprintf(&table, "%-32s %12d/%-5d %12d/%-5d\n", group, passed, failed, passedThrough, failedThrough)
	}
	return table.String()
}

// count returns how many tests of a group passed and failed.
func (v verdicts) count(group string) (passed, failed int) {
	for name, verdict := range v {
		if name != group && !strings.HasPrefix(name, group+"/") || v.isGroup(name) {
			continue
		}
		switch verdict {
		case "Pass":
			passed++
		case "FAIL":
			failed++
		}
	}
	return passed, failed
}
