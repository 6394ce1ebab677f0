package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backref/backref/reconcile"
)

func newTags(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tags",
		Short: "Clean up the tags of the registry",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTagsPrune(environ))
	return cmd
}

func newTagsPrune(environ []string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete referrers tags whose entries are all in the index",
		Long: "Delete the referrers tags (sha256-…) that clients without the referrers API left\n" +
			"behind, where the index has everything that they list. Without --yes only print\n" +
			"what would be deleted. The registry has to allow deletes. With\n" +
			"referrers.fallbackTags=mirror a server would write the tags again.",
		Args: noArguments,
	}
	settings := addSettings(cmd, environ)
	selection := addSelection(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := selection.read()
		if err != nil {
			return err
		}
		return onIndex(cmd, settings, false, func(ctx context.Context, m maintenance) error {
			show := newDisplay(cmd)
			return m.Prune(ctx, options, !yes, show.pruned)
		})
	}
	return cmd
}

func (d *display) pruned(p reconcile.Pruned) {
	if !d.people {
		_ = json.NewEncoder(d.out).Encode(p)
		return
	}
	what := "kept: " + p.Reason
	switch {
	case p.Removed:
		what = "deleted"
	case p.Removable && p.Reason == "":
		what = "would be deleted; give --yes"
	}
	_, _ = fmt.Fprintf(d.out, "%s:%s (%d entries) %s\n", p.Repository, p.Tag, p.Entries, what)
}
