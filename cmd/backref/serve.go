package main

import (
	"github.com/spf13/cobra"
)

func newServe(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: "Run the proxy in front of a registry until SIGTERM or SIGINT. Requests under way\n" +
			"then have server.drainTimeout to finish.",
		Example: "  backref serve --upstream http://localhost:5000",
		Args:    noArguments,
	}
	settings := addSettings(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := settings.load()
		if err != nil {
			return err
		}
		server, err := newServer(cfg, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return server.Run(cmd.Context())
	}
	return cmd
}
