package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
)

func newReplace() *cobra.Command {
	var others bool
	cmd := &cobra.Command{
		Use:   "replace REPOSITORY@NEW [OLD...]",
		Short: "Have a referrer take the place of others",
		Long: "Have a referrer that was pushed take the place of others with the same subject, such\n" +
			"as a new signature that of an expiring one. Listings show the old ones until then and\n" +
			"only the new one afterwards; then the old ones are deleted from the registry, which has\n" +
			"to allow deletes. The command may be repeated.",
		Example: "  backref replace localhost:8080/app@sha256:5a7a… sha256:1c02…\n" +
			"  backref replace --others localhost:8080/app@sha256:5a7a…",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usageError{errors.New("name the new referrer: REPOSITORY@DIGEST")}
			case (len(args) > 1) == others:
				return usageError{errors.New("name the referrers that are replaced, or give --others")}
			}
			return nil
		},
	}
	access, out := addAccess(cmd, ""), addOutput(cmd)
	cmd.Flags().BoolVar(&others, "others", false, "replace all other referrers of the subject that have the artifact type of the new one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		if ref.Digest == "" {
			return usageError{errors.New("name the new referrer by its digest: REPOSITORY@DIGEST")}
		}
		var old []digest.Digest
		for _, text := range args[1:] {
			replaced, err := digest.Parse(text)
			if err != nil {
				return usageError{fmt.Errorf("%q is no digest", text)}
			}
			old = append(old, replaced)
		}
		found, err := replaceBy(cmd.Context(), repository, ref.Digest, old)
		if err != nil {
			return err
		}
		return out.deletions(found)
	}
	return cmd
}

// replaceBy has a referrer take the place of others; where none are named, of all
// others of its type.
func replaceBy(ctx context.Context, repository *client.Repository, by digest.Digest, old []digest.Digest) ([]client.Deletion, error) {
	manifest, err := repository.Manifest(ctx, by.String())
	if err != nil {
		return nil, err
	}
	subject := manifest.Subject()
	if subject == "" {
		return nil, fmt.Errorf("%s has no subject: it is no referrer", by)
	}
	if len(old) == 0 {
		all, err := repository.AllReferrers(ctx, subject)
		if err != nil {
			return nil, err
		}
		for _, referrer := range all {
			if referrer.ArtifactType == manifest.ArtifactType && referrer.Digest != by {
				old = append(old, referrer.Digest)
			}
		}
		if len(old) == 0 {
			return nil, nil
		}
	}
	came, err := repository.Replace(ctx, manifest, old)
	if err != nil {
		return nil, err
	}
	var found []client.Deletion
	add := func(outcome string, digests []digest.Digest) {
		for _, d := range digests {
			found = append(found, client.Deletion{Outcome: outcome, Digest: d, Subject: subject, ArtifactType: manifest.ArtifactType})
		}
	}
	add(client.OutcomeDeleted, came.Gone)
	add(client.OutcomePending, came.Pending)
	return found, nil
}
