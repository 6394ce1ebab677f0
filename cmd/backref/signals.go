package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// signalError is why a command ends that was told to.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return fmt.Sprintf("stopped (%s)", e.signal) }

// goesOn is the annotation of a command that goes on, when it is run again, where
// it was stopped; its value says what is left.
const goesOn = "backref/goes-on"

// of returns the error of a command that was stopped, which says how to go on.
func (e signalError) of(cmd *cobra.Command) error {
	if left, can := cmd.Annotations[goesOn]; can {
		return fmt.Errorf("%w; %s: run the same command again to go on", e, left)
	}
	return e
}

// untilSignal returns a context that ends, with a [signalError] as its cause,
// when the process is told to end. A second signal ends the process at once.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case which := <-told:
			signal.Stop(told)
			number, _ := which.(syscall.Signal)
			cancel(signalError{number})
		case <-ctx.Done():
			signal.Stop(told)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}
