package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// Violation is a rule of accessibility that a page breaks, as axe-core tells it.
type Violation struct {
	// Rule is the name of the rule, such as "color-contrast".
	Rule string `json:"id"`
	// Impact is "minor", "moderate", "serious" or "critical".
	Impact string `json:"impact"`
	// Help says what the rule wants, HelpURL where more is to be read.
	Help    string `json:"help"`
	HelpURL string `json:"helpUrl"`
	// Nodes are the elements that break it.
	Nodes []ViolationNode `json:"nodes"`
}

// ViolationNode is an element that breaks a rule.
type ViolationNode struct {
	// Target is a CSS selector of it.
	Target []string `json:"target"`
	// HTML is its source, Failure what is wrong with it.
	HTML    string `json:"html"`
	Failure string `json:"failureSummary"`
}

// String returns the violation with its elements on lines of their own.
func (v Violation) String() string {
	text := &strings.Builder{}
	_, _ = fmt.Fprintf(text, "%s (%s): %s, %s", v.Rule, v.Impact, v.Help, v.HelpURL)
	for _, node := range v.Nodes {
		_, _ = fmt.Fprintf(text, "\n  %s  %s\n    %s", strings.Join(node.Target, " "), node.HTML,
			strings.ReplaceAll(node.Failure, "\n", "\n    "))
	}
	return text.String()
}

// Accessibility returns the rules of axe-core that the page breaks as it is now:
// all of WCAG 2.2 at levels A and AA that can be told by a program, and good
// practice. It changes nothing of the page and needs no script of it to run.
func (p *Page) Accessibility() []Violation {
	p.t.Helper()
	axe := filepath.Join(p.browser.root, ".tools", "axe", "axe.min.js")
	source, err := os.ReadFile(axe)
	if err != nil {
		p.t.Fatalf("axe-core is not installed: run test/tools test (%v)", err)
	}
	if !ask[bool](p, "", `function() { return !!globalThis.axe }`) {
		made := do(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: p.frame, WorldName: world})
		loaded := do(p, runtime.Evaluate, runtime.EvaluateParams{Expression: string(source), ContextID: made.ExecutionContextID})
		if loaded.ExceptionDetails != nil {
			p.t.Fatalf("load axe-core: %s", exception(loaded.ExceptionDetails))
		}
	}
	if !p.options.Scripts {
		// axe-core waits by timers, which don't come where scripts are off. Scripts
		// that the document came with are not made up for when they are on again.
		do(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
		defer do(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	return ask[[]Violation](p, "", `async function() {
		const found = await axe.run(document, {resultTypes: ["violations"], iframes: false})
		return found.violations.map(({id, impact, help, helpUrl, nodes}) => ({id, impact, help, helpUrl,
			nodes: nodes.map(({target, html, failureSummary}) => ({target: target.flat(), html, failureSummary}))}))
	}`)
}

// MustBeAccessible fails the test where the page breaks a rule whose impact is
// serious or critical, and logs the others.
func (p *Page) MustBeAccessible() {
	p.t.Helper()
	where := fmt.Sprintf("%s at %d by %d", p.URL(), p.options.Width, p.options.Height)
	for _, violation := range p.Accessibility() {
		switch violation.Impact {
		case "serious", "critical":
			p.t.Errorf("%s: %s", where, violation)
		default:
			p.t.Logf("%s: %s", where, violation)
		}
	}
}
