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
		Use:   "tags REPO",
		Short: "List the tags of a repository by version or date, or clean up",
		Long: "List the tags of a repository, such as localhost:8080/app, in the order of their\n" +
			"versions or of the time when what they name was made: what lies between two builds,\n" +
			"say, to find the one that broke something. The version is the annotation\n" +
			"org.opencontainers.image.version, else the tag itself. When an image was made is told\n" +
			"by its annotation org.opencontainers.image.created, else by its config, and of an index\n" +
			"by the latest of its images; where none does, a backref says when it first saw it.",
		Example: "  backref tags localhost:8080/app\n" +
			"  backref tags --between v1.0.0..v1.4.0 -o digest localhost:8080/app\n" +
			"  backref tags --sort -created localhost:8080/app",
		Args: arguments("REPO"),
	}
	addTagsList(cmd)
	cmd.AddCommand(newTagsPrune(environ), newTagsHold(environ))
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
	on := addIndex(cmd, environ, true)
	selection := addSelection(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := selection.read()
		if err != nil {
			return err
		}
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
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
