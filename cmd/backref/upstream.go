package main

import "github.com/spf13/cobra"

func newUpstream(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upstream",
		Short: "Ask the registry behind backref what it can do",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newUpstreamProbe(environ))
	return cmd
}
