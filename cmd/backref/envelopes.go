package main

import "github.com/spf13/cobra"

func newEnvelopes() *cobra.Command {
	cmd := &cobra.Command{
		Use: "envelopes", Short: "Take out what is kept in envelopes, without a server of backref",
		Long: "A manifest that a registry refuses is kept there in an envelope, which is an image under\n" +
			"a tag sha256-HEX.kept. These commands read envelopes from the registry itself.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEnvelopesUnwrap())
	return cmd
}
