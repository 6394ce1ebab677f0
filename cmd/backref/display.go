package main

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/backref/backref/reconcile"
)

// display shows work that takes its time: on a terminal a bar and a text,
// elsewhere a line of JSON for each event.
type display struct {
	out, err io.Writer
	people   bool
	// quiet shows results only.
	quiet bool
	bar   *progressbar.ProgressBar
}

func newDisplay(cmd *cobra.Command) *display {
	d := &display{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
	_, d.people = terminalOf(d.out)
	if quiet := cmd.Flags().Lookup(flagQuiet); quiet != nil && quiet.Value.String() == "true" {
		d.quiet, d.err = true, io.Discard
	}
	return d
}

// flagQuiet is the flag of commands that print little where it is given.
const flagQuiet = "quiet"

// addQuiet adds the flag to a command that shows how it gets on.
func addQuiet(cmd *cobra.Command) {
	cmd.Flags().BoolP(flagQuiet, "q", false, "print the result only: no bar, no events, but what failed")
}

func (d *display) progress(p reconcile.Progress) {
	if !d.people {
		if !d.quiet {
			d.line(reconcile.Line{Progress: &p})
		}
		return
	}
	if d.bar == nil {
		d.bar = progressbar.NewOptions(p.RepositoriesTotal, progressbar.OptionSetWriter(d.err), progressbar.OptionSetItsString("repositories"),
			progressbar.OptionShowIts(), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	d.bar.Describe(fmt.Sprintf("%s, %d manifests", p.Phase, p.Manifests))
	_ = d.bar.Set(p.Repositories)
}

func (d *display) difference(difference reconcile.Difference) {
	if !d.people {
		d.line(reconcile.Line{Difference: &difference})
		return
	}
	fixed := ""
	if difference.Fixed {
		fixed = ", fixed"
	}
	_, _ = fmt.Fprintf(d.out, "%s@%s: %s%s\n", difference.Repository, difference.Digest, difference.Kind, fixed)
}

// end shows the result.
func (d *display) end(last reconcile.Line, text string) {
	if !d.people {
		d.line(last)
		return
	}
	if d.bar != nil {
		_ = d.bar.Finish()
	}
	_, _ = io.WriteString(d.out, text)
}

func (d *display) line(line reconcile.Line) { printJSONLine(d.out, line) }
