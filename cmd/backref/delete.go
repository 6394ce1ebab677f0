package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

func newDelete() *cobra.Command {
	var types []string
	cmd := &cobra.Command{
		Use:   "delete REPOSITORY@DIGEST",
		Short: "Delete a manifest with its referrers",
		Long: "Delete a manifest with what refers to it, and what refers to that in turn, the last\n" +
			"first. What a tag names stays, and what an image index lists that stays. The registry\n" +
			"has to be a backref, and what is behind it has to allow deletes: nothing is deleted\n" +
			"otherwise. The command may be repeated.",
		Example: "  backref delete localhost:8080/app@sha256:5a7a…\n" +
			"  backref delete --type 'application/vnd.example.scan*' -o json localhost:8080/app@sha256:5a7a…",
		Args: arguments("REPOSITORY@DIGEST"),
	}
	access, out := addAccess(cmd, ""), addOutput(cmd)
	cmd.Flags().StringArrayVar(&types, "type", nil, "of the direct referrers only those with an artifact type that matches this `glob`; repeatable")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		if ref.Digest == "" {
			return usageError{errors.New("name the manifest by its digest, so that a tag that moves meanwhile does no harm: REPOSITORY@DIGEST")}
		}
		found, err := repository.DeleteWithReferrers(cmd.Context(), ref.Digest, types)
		if err != nil {
			return err
		}
		return out.deletions(found)
	}
	return cmd
}

// deletions prints what became of manifests.
func (o *output) deletions(found []client.Deletion) error {
	digests := make([]string, len(found))
	for i, d := range found {
		digests[i] = d.Digest.String()
	}
	if found == nil {
		found = []client.Deletion{}
	}
	return o.print(found, digests, func(s *sheet) {
		rows := make([][]string, len(found))
		for i, d := range found {
			what := client.Describe(oci.Descriptor{ArtifactType: d.ArtifactType})
			rows[i] = []string{d.Outcome, what, s.digest(d.Digest), s.digest(d.Subject), d.Reason}
		}
		s.table([]column{{name: "OUTCOME"}, {name: "WHAT", cut: true}, {name: "DIGEST"}, {name: "SUBJECT"}, {name: "REASON", cut: true}}, rows)
	})
}
