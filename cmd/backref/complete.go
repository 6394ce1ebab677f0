package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
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

// completeLocations completes the two ends of a copy. Behind oci: the shell
// completes files.
func completeLocations(access *access) cobra.CompletionFunc {
	references := completeReferences(access, 2)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		for _, prefix := range []string{"oci:", "oci-archive:"} {
			if path, found := strings.CutPrefix(begun, prefix); found && len(args) < 2 {
				return completeFiles(prefix, path), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
			}
		}
		return references(cmd, args, begun)
	}
}

// completeFiles returns the files and folders that begin with a path, behind a
// prefix that the shell doesn't know.
func completeFiles(prefix, begun string) []string {
	folder, name := filepath.Split(begun)
	entries, err := os.ReadDir(cmp.Or(folder, "."))
	if err != nil {
		return nil // nothing begins like this
	}
	var candidates []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), name) {
			continue
		}
		candidate := prefix + folder + entry.Name()
		if entry.IsDir() {
			candidate += "/"
		}
		candidates = append(candidates, candidate)
	}
	return candidates
}
