package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
	// exitSignal and the number of the signal that ended a command, as shells have
	// it: 130 after Ctrl-C.
	exitSignal = 128
)

func main() {
	os.Exit(Main())
}

// Main runs the command line of this process and returns its exit code.
func Main() int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	// A file that reaches a size limit is an error of the write, as a full disk
	// is, and not the end of the process.
	signal.Ignore(syscall.SIGXFSZ)
	return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
}

// usageError is a mistake in the command line itself.
type usageError struct{ error }

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	root := newRoot(environ)
	root.SetArgs(args)
	out := &remembering{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = out.failure()
	}
	if err == nil {
		return 0
	}
	var stopped signalError
	if errors.As(context.Cause(ctx), &stopped) {
		if errors.Is(err, context.Canceled) || errors.Is(err, stopped) {
			err = stopped.of(ran)
		}
	}
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintf(stderr, "backref: %s\n", strings.TrimSuffix(line, "\n"))
	}
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case stopped.signal != 0:
		return exitSignal + int(stopped.signal)
	default:
		return exitFailure
	}
}

func newRoot(environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "backref",
		Short:         "OCI referrers for container registries that lack them",
		Version:       versionLine(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(newServe(environ), newHealth(environ), newDoctor(environ), newUpstream(environ), newIndex(environ), newTags(environ), newRetain(environ), newAudit(environ), newNotices(environ), newPolicy(environ), newEnvelopes(),
		newReferrers(), newTree(), newDiff(), newParents(), newCopy(), newAdopt(), newReplace(), newDelete(),
		newMan(), newConfig(environ), newVersion())
	return root
}

// noArguments refuses arguments, and commands that there are none of.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if near := nearCommands(cmd, args[0]); len(near) > 0 {
		meant = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("%w%s; see %s --help", cobra.NoArgs(cmd, args), meant, cmd.CommandPath())}
}

// nearCommands returns the commands that a word may be meant for: those below
// cmd that begin like it or differ by a letter or two, and elsewhere those of the
// same name.
func nearCommands(cmd *cobra.Command, word string) []string {
	var near []string
	cmd.SuggestionsMinimumDistance = 2
	for _, name := range cmd.SuggestionsFor(word) {
		near = append(near, cmd.CommandPath()+" "+name)
	}
	for _, sibling := range cmd.Root().Commands() {
		for _, below := range sibling.Commands() {
			if path := below.CommandPath(); below.Name() == word && !slices.Contains(near, path) {
				near = append(near, path)
			}
		}
	}
	return near
}
