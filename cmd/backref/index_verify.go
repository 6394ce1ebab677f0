package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backref/backref/reconcile"
)

// errDifferences makes a verification that found some fail.
var errDifferences = errors.New("index and registry differ; --fix mends the index")

func newIndexVerify(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the index with the registry",
		Long: "Ask the registry for every record of the index, or a sample of them, and compare\n" +
			"every manifest that the registry lists with its record. Print the differences; with\n" +
			"--fix mend the index: drop, add and replace records. A record is dropped only after\n" +
			"two answers \"not found\", reconcile.missingTwice apart. Fails where differences are\n" +
			"left.",
		Args: noArguments,
	}
	on := addIndex(cmd, environ, true)
	selection := addSelection(cmd)
	cmd.Flags().BoolVar(&selection.options.Fix, "fix", false, "mend the index")
	cmd.Flags().Float64Var(&selection.options.Sample, "sample", 0, "look at this `share` of the records only, such as 0.01")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := selection.read()
		if err != nil {
			return err
		}
		if options.Sample < 0 || options.Sample > 1 {
			return usageError{fmt.Errorf("--sample %v: need a number from 0 to 1", options.Sample)}
		}
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
			show := newDisplay(cmd)
			result, err := m.Verify(ctx, options, show.difference)
			show.end(reconcile.Line{Verification: &result}, verificationText(result))
			if err == nil && result.Differences() > 0 {
				return errDifferences
			}
			return err
		})
	}
	return cmd
}

// verificationText is the result of a verification for people.
func verificationText(v reconcile.Verification) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d records and %d manifests: %d missing upstream, %d unknown to the index, %d wrong; %d fixed; %d failures, in %.1f s\n",
		v.Records, v.Manifests, v.Missing, v.Unknown, v.Wrong, v.Fixed, v.Failed, v.Seconds)
	writeFailures(&text, v.Failures, v.Failed)
	return text.String()
}
