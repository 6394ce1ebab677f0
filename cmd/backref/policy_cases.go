package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newPolicyTest(environ []string) *cobra.Command {
	out := &output{}
	var file string
	cmd := &cobra.Command{
		Use:   "test -f FILE",
		Short: "Check a table of cases against the rules of a configuration",
		Long: "Read cases from a YAML file, ask the rules of the configuration about each, and say\n" +
			"which of them are decided as the case expects. A case says what somebody does:\n\n" +
			"  cases:\n" +
			"    - name: a release stays            # may be left out\n" +
			"      action: move                     # push, move, delete or pull\n" +
			"      repository: team/app\n" +
			"      tag: v1.2.3                      # or digest, or both: a manifest and its tag\n" +
			"      artifactType: application/spdx+json   # an image where it is left out\n" +
			"      client: {user: ann, groups: [team], listener: main, userAgent: docker/27}\n" +
			"      time: 2027-01-31T00:00:00Z       # now where it is left out\n" +
			"      expect: deny                     # or allow\n" +
			"      rule: releases-stay              # the rule that has to decide; may be left out\n\n" +
			"push is a push by digest or to a tag that is not there yet, move one of another\n" +
			"manifest to a tag that is. The exit code is 1 where a case fails, and 2 where the\n" +
			"file is wrong.",
		Example: "  backref policy test -f cases.yaml --config /etc/backref/backref.yaml",
		Args:    noArguments,
	}
	s := addSettings(cmd, environ, noShortcuts)
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` with the cases")
	addPolicyOutput(cmd, out)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return usageError{fmt.Errorf("need the file with the cases: -f FILE; see %s --help", cmd.CommandPath())}
		}
		book, err := readRuleBook(s)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return usageError{err}
		}
		cases, err := readPolicyCases(file, text, book)
		if err != nil {
			return usageError{err}
		}
		report := book.testPolicy(cases, time.Now())
		if err := out.print(report, nil, report.show); err != nil || report.Failed == 0 {
			return err
		}
		return fmt.Errorf("%d of %d cases failed", report.Failed, len(report.Cases))
	}
	return cmd
}

// noShortcuts has a command take no shortcuts of settings.
const noShortcuts = ""

// addPolicyOutput adds the flag of the format.
func addPolicyOutput(cmd *cobra.Command, out *output) {
	formats := []string{formatTable, formatJSON, formatYAML}
	cmd.Flags().StringVarP(&out.format, "output", "o", formatTable, "`format`: "+strings.Join(formats, ", "))
	completeValues(cmd, "output", formats...)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := out.known(formats); err != nil {
			return err
		}
		return out.open(cmd.OutOrStdout())
	}
}

// policyCase is one case: what somebody does, and what has to be decided.
type policyCase struct {
	name string
	line int
	question
	expect, rule string
}

// title returns the case's name, else what it is about.
func (c policyCase) title() string {
	reference := c.repository
	if c.tag != "" {
		reference += ":" + c.tag
	}
	if c.digest != "" {
		reference += "@" + c.digest.String()
	}
	return cmp.Or(c.name, c.do+" "+reference)
}

// policyReport is what came of cases.
type policyReport struct {
	Cases  []policyResult `json:"cases"`
	Passed int            `json:"passed"`
	Failed int            `json:"failed"`
}

// policyResult is what came of one.
type policyResult struct {
	Name string `json:"name"`
	// Line is where the case begins in its file.
	Line   int  `json:"line"`
	Passed bool `json:"passed"`
	// Expected is the decision, and Rule the rule, that the case wants.
	Expected string `json:"expected"`
	Rule     string `json:"rule,omitempty"`
	verdict
}

// testPolicy asks the rules about each case.
func (b *ruleBook) testPolicy(cases []policyCase, now time.Time) policyReport {
	report := policyReport{Cases: []policyResult{}}
	for _, c := range cases {
		if c.at.IsZero() {
			c.at = now
		}
		r := policyResult{Name: c.title(), Line: c.line, Expected: c.expect, Rule: c.rule, verdict: b.judge(c.question)}
		r.Passed = r.Decision == c.expect && (c.rule == "" || r.Because[0].Rule == c.rule)
		if r.Passed {
			report.Passed++
		} else {
			report.Failed++
		}
		report.Cases = append(report.Cases, r)
	}
	return report
}

// show prints the report for people.
func (r policyReport) show(s *sheet) {
	rows := make([][]string, len(r.Cases))
	for i, c := range r.Cases {
		result := "ok"
		if !c.Passed {
			result = "FAIL"
		}
		rows[i] = []string{result, strconv.Itoa(c.Line), c.Name, wanted(c.Expected, c.Rule), c.decided()}
	}
	s.table([]column{{name: "RESULT"}, {name: "LINE"}, {name: "CASE", cut: true}, {name: "EXPECTED"}, {name: "DECIDED"}}, rows)
	_, _ = fmt.Fprintf(s, "%d cases passed, %d failed\n", r.Passed, r.Failed)
}

// wanted writes a decision and the rule that decides.
func wanted(decision, rule string) string {
	if rule == "" {
		return decision
	}
	return decision + " by " + rule
}

// decided writes what was decided, and by which rule.
func (v verdict) decided() string {
	if len(v.Because) == 0 {
		return v.Decision
	}
	return wanted(v.Decision, cmp.Or(v.Because[0].Rule, v.Because[0].Kind))
}
