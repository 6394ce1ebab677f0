package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backref/backref/reconcile"
)

func newTagsHold(environ []string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "hold",
		Short: "Give referrers the hidden tags that they lack",
		Long: "Give the referrers that the index knows the hidden tags (sha256-….referrer) by which\n" +
			"the registry's API lists them and its garbage collection keeps them: those that were\n" +
			"pushed past backref, or with referrers.hiddenTags off. Without --yes only print which\n" +
			"lack one. The registry is asked with upstream.service, which needs the right to push.",
		Args: noArguments,
	}
	on := addIndex(cmd, environ, true)
	selection := addSelection(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "give them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := selection.read()
		if err != nil {
			return err
		}
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
			show := newDisplay(cmd)
			return m.Hold(ctx, options, !yes, show.held)
		})
	}
	return cmd
}

func (d *display) held(h reconcile.Held) {
	if !d.people {
		_ = json.NewEncoder(d.out).Encode(h)
		return
	}
	what := "would be tagged; give --yes"
	switch {
	case h.Tagged:
		what = "tagged"
	case h.Reason != "":
		what = "not tagged: " + h.Reason
	}
	_, _ = fmt.Fprintf(d.out, "%s@%s %s\n", h.Repository, h.Digest, what)
}
