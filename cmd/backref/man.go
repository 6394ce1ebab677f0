package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages into a folder",
		Long: "Write a man page for each command into a folder, which is made where there is none:\n" +
			"share/man/man1, say.",
		Example: "  backref man ~/.local/share/man/man1 && man backref-copy",
		Args:    arguments("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // G301: others read man pages too.
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			// The same program writes the same pages.
			date := time.Unix(0, 0).UTC()
			header := &doc.GenManHeader{Section: "1", Source: versionLine(), Manual: "backref", Date: &date}
			return doc.GenManTree(root, header, args[0])
		},
	}
}
