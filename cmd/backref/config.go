package main

import (
	"github.com/spf13/cobra"

	"github.com/backref/backref/config"
)

func newConfig(environ []string) *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration",
		Long: "Print the configuration that serve would run with, from file, environment and\n" +
			"flags, as a configuration file. Secrets are hidden.",
		Args: noArguments,
	}
	settings := addSettings(cmd, environ)
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON schema of the configuration file instead")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if schema {
			text, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		}
		cfg, err := settings.load()
		if err != nil {
			return err
		}
		return cfg.WriteYAML(cmd.OutOrStdout())
	}
	return cmd
}
