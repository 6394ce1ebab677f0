package main

import (
	"runtime"

	"github.com/spf13/cobra"
)

// heapReserve is kept allocated and never touched: it takes addresses and no
// memory. The heap of a server is so small that, under load, it would be
// collected dozens of times a second; with this it may grow by as much before
// it is.
const heapReserve = 32 << 20

func newServe(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: "Run the proxy in front of a registry until SIGTERM or SIGINT. Requests under way\n" +
			"then have server.drainTimeout to finish. A service manager such as systemd is told\n" +
			"when it serves and when it stops (Type=notify).",
		Example: "  backref serve --upstream http://localhost:5000",
		Args:    noArguments,
	}
	settings := addSettings(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := settings.load()
		if err != nil {
			return err
		}
		server, err := newServer(cmd.Context(), cfg, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		server.manager = managerOf(environ)
		heap := make([]byte, heapReserve)
		defer runtime.KeepAlive(heap)
		return server.Run(cmd.Context())
	}
	return cmd
}
