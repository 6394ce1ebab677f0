package conformance

import (
	"fmt"
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
			results[strings.TrimPrefix(name, root+"/")] = verdict
		}
	}
	if len(results) < 50 {
		t.Fatalf("the suite did not run:\n%s", output)
	}
	return results
}

func TestConformance(t *testing.T) {
	for _, version := range []string{"1.1", "dev"} {
		t.Run(version, func(t *testing.T) {
			rig.Each(t, func(t *testing.T, registry rig.Distribution) {
				direct := suite(t, version, rig.NewRegistry(t, registry).Host)
				behind := rig.NewRegistry(t, registry)
				through := suite(t, version, rig.NewBackref(t, behind.URL).Host)
				report(t, fmt.Sprintf("conformance %s, %s", version, registry), direct, through)
				for _, name := range through.fails() {
					switch {
					case inReferrersGroup(name):
						t.Errorf("through backref: FAIL %s", name)
					case direct[name] != "FAIL":
						t.Errorf("through backref: FAIL %s, directly: %s", name, direct[name])
					}
				}
			})
		})
	}
}

// report shows how both runs went, by the groups of the suite.
func report(t *testing.T, title string, direct, through verdicts) {
	t.Helper()
	groups := map[string]bool{}
	for name := range direct {
		group, _, _ := strings.Cut(name, "/")
		groups[group] = true
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-32s %18s %18s\n", title, "direct pass/fail", "backref pass/fail")
	names := make([]string, 0, len(groups))
	for group := range groups {
		names = append(names, group)
	}
	slices.Sort(names)
	var total [4]int
	for _, group := range names {
		row := [4]int{}
		row[0], row[1] = direct.count(group)
		row[2], row[3] = through.count(group)
		for i := range row {
			total[i] += row[i]
		}
		fmt.Fprintf(&table, "%-32s %12d/%-5d %12d/%-5d\n", group, row[0], row[1], row[2], row[3])
	}
	fmt.Fprintf(&table, "%-32s %12d/%-5d %12d/%-5d", "all", total[0], total[1], total[2], total[3])
	rig.Report(t, table.String())
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
