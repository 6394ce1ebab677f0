package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func newIndexStats(environ []string) *cobra.Command {
	return newIndexOutput(environ, "stats", "Print what the index holds, as JSON", func(ctx context.Context, m maintenance, w io.Writer) error {
		stats, err := m.Stats(ctx)
		if err != nil {
			return err
		}
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(stats)
	})
}

func newIndexExport(environ []string) *cobra.Command {
	return newIndexOutput(environ, "export", "Print every record as a line of JSON", func(ctx context.Context, m maintenance, w io.Writer) error {
		return m.Export(ctx, w)
	})
}

func newIndexIntents(environ []string) *cobra.Command {
	return newIndexOutput(environ, "intents", "Print the pushes and deletes under way or of unknown outcome", func(ctx context.Context, m maintenance, w io.Writer) error {
		return m.Intents(ctx, w)
	})
}

// newIndexOutput returns a command that writes to standard output or a file.
func newIndexOutput(environ []string, use, short string, work func(context.Context, maintenance, io.Writer) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: noArguments}
	on := addIndex(cmd, environ, false)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
			return work(ctx, m, cmd.OutOrStdout())
		})
	}
	return cmd
}

func newIndexBackup(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the index that can be used as one",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("index backup: need the name of one file")}
			}
			return nil
		},
	}
	on := addIndex(cmd, environ, false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
			return writeFile(args[0], func(w io.Writer) error { return m.Backup(ctx, w) })
		})
	}
	return cmd
}

// writeFile writes a new file whole, or leaves none.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Sync(), file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
