package main

import (
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"syscall"

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
			"then have server.drainTimeout to finish. SIGHUP has the configuration read again;\n" +
			"so has a change of its file, or of one that it names. A service manager such as\n" +
			"systemd is told when it serves, reads again, and stops (Type=notify).",
		Example: "  backref serve --upstream http://localhost:5000",
		Args:    noArguments,
	}
	settings := addSettings(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		// A hang-up doesn't end the server from here on, however long the start takes.
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		before := map[string]fs.FileInfo{}
		if settings.file != "" {
			before = stat([]string{settings.file})
		}
		cfg, err := settings.load()
		if err != nil {
			return err
		}
		server, err := newServer(cmd.Context(), cfg, forPeople(cmd.ErrOrStderr(), environ))
		if err != nil {
			return err
		}
		server.manager = managerOf(environ)
		server.reloader.from(source{file: settings.file, before: before, load: settings.load, hangups: hangups})
		heap := make([]byte, heapReserve)
		defer runtime.KeepAlive(heap)
		return server.Run(cmd.Context())
	}
	return cmd
}
