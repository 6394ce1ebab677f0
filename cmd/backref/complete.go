package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
)

// completionTimeout is how long a shell waits for a registry.
const completionTimeout = 2 * time.Second

// completeReferences completes up to n references from the registry that their
// beginning names.
func completeReferences(access *access, n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := access.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		candidates, err := client.Complete(ctx, c, begun)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return candidates, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}
