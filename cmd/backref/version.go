package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version and revision, the commit, are set by the linker in a release.
var version, revision string

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

// versionName names the version alone.
func versionName() string {
	name := version
	if info, ok := debug.ReadBuildInfo(); ok {
		name = cmp.Or(name, info.Main.Version)
	}
	return cmp.Or(name, "(devel)")
}

// build returns the version and the revision that it was built from; empty where
// that is not known.
func build() (name, commit string) {
	name, commit = versionName(), revision
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = cmp.Or(commit, setting.Value)
			}
		}
	}
	return name, commit
}

// versionLine names the version, the revision it was built from, and the
// toolchain.
func versionLine() string {
	name, commit := build()
	if commit != "" {
		commit = " " + commit
	}
	return fmt.Sprintf("backref %s%s %s %s/%s", name, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
