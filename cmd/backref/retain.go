package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/reconcile"
)

func newRetain(environ []string) *cobra.Command {
	var options reconcile.RetainOptions
	var format string
	cmd := &cobra.Command{
		Use:   "retain [REPOSITORY…]",
		Short: "Delete the referrers that the rules of retention remove",
		Long: "Carry out the rules of retention.rules in all repositories, or in those that match a\n" +
			"pattern (* for a part of a name without slashes, ** for any). With --dry-run only print\n" +
			"what each rule decides. Where more than retention.maxPerRun referrers go nothing is\n" +
			"deleted without --yes. The registry is asked with upstream.service, which needs the\n" +
			"right to delete. One run is under way at a time; it ends when this command is stopped.",
		Example: "  backref retain --dry-run\n" +
			"  backref retain 'team/**' --rule old-sboms --yes",
	}
	on := addIndex(cmd, environ, true)
	addQuiet(cmd)
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "only print what is decided")
	cmd.Flags().BoolVar(&options.Yes, "yes", false, "delete more than retention.maxPerRun too")
	cmd.Flags().StringVar(&options.Rule, "rule", "", "only what the rule of this `name` removes; what other rules keep stays")
	cmd.Flags().StringVarP(&format, "output", "o", "", "`format`: table or json; json where the output is no terminal")
	completeValues(cmd, "output", formatTable, formatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		options.Repositories = args
		if err := options.Check(); err != nil {
			return usageError{err}
		}
		show := newDisplay(cmd)
		switch format {
		case "":
		case formatTable, formatJSON:
			show.people = format == formatTable
		default:
			return usageError{fmt.Errorf("--output %q: need %s or %s", format, formatTable, formatJSON)}
		}
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
			table := &retainTable{display: show}
			report, err := m.Retain(ctx, options, table.row)
			show.end(reconcile.Line{Retention: &report}, retentionText(report))
			if errors.Is(err, reconcile.ErrIncomplete) {
				return fmt.Errorf("%w; nothing goes from what could not be read, and the next run looks again", err)
			}
			return err
		})
	}
	return cmd
}

// retainTable prints decisions as they come, of which there may be many: the columns
// are as wide as most of what stands in them.
type retainTable struct {
	*display
	begun bool
}

const retainRow = "%-8s  %-24s  %-24s  %-19s  %-30s  %s\n"

func (t *retainTable) row(r reconcile.Retained) {
	switch {
	case t.quiet:
		return
	case !t.people:
		t.line(reconcile.Line{Retained: &r})
		return
	case !t.begun:
		t.begun = true
		_, _ = fmt.Fprintf(t.out, retainRow, "DECISION", "RULE", "REPOSITORY", "DIGEST", "TYPE", "BECAUSE")
	}
	rule, reason := r.Rule, r.Reason
	if rule == "" {
		rule = "-"
	}
	if r.Error != "" {
		reason += "; " + r.Error
	}
	_, _ = fmt.Fprintf(t.out, retainRow, r.Decision, client.Printable(rule), client.Printable(r.Repository), (&sheet{}).digest(r.Digest),
		client.Printable(r.ArtifactType), client.Printable(reason))
}

// retentionText is the result of a run for people.
func retentionText(r reconcile.RetentionReport) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d repositories: %d referrers stay, %d go", r.Repositories, r.Kept, r.Going)
	if r.DryRun {
		text.WriteString("; nothing was deleted")
	} else {
		fmt.Fprintf(&text, "; %d deleted, %d left alone since something changed", r.Removed, r.Spared)
	}
	fmt.Fprintf(&text, "; %d failures, in %.1f s\n", r.Failed, r.Seconds)
	writeFailures(&text, r.Failures, r.Failed)
	return text.String()
}
