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
	"github.com/backref/backref/config"
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

// completeValues completes the value of a flag.
func completeValues(cmd *cobra.Command, flag string, values ...string) {
	// It fails where there is no such flag.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completeKeys completes a key of the configuration, and behind it its value
// where there are few.
func completeKeys(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var candidates []string
	for _, key := range config.Keys() {
		if len(key.Values) == 0 || !strings.HasPrefix(begun, key.Path+"=") {
			candidates = append(candidates, key.Path+"=")
			continue
		}
		for _, value := range key.Values {
			candidates = append(candidates, key.Path+"="+value)
		}
	}
	return candidates, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeLocations completes up to n references, layouts and archives. Behind
// oci: the shell completes files.
func completeLocations(access *access, n int) cobra.CompletionFunc {
	references := completeReferences(access, n)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		for _, prefix := range []string{"oci:", "oci-archive:"} {
			if path, found := strings.CutPrefix(begun, prefix); found && len(args) < n {
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
