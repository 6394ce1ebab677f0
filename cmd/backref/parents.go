package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
)

func newParents() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parents REPO@DIGEST",
		Short: "List the manifests that hold a manifest or blob",
		Long: "List the manifests of a repository that name a digest, and in which field: images\n" +
			"with a layer or config, indexes with an image, referrers of a subject. It takes a\n" +
			"backref, which alone keeps an index of that.",
		Example: "  backref parents localhost:8080/app@sha256:…",
		Args:    arguments("REPO@DIGEST"),
	}
	access, out := addAccess(cmd, ""), addOutput(cmd)
	cmd.ValidArgsFunction = completeReferences(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		if ref.Digest == "" {
			return usageError{fmt.Errorf("%s: need a digest, as %s/%s@sha256:…", ref, ref.Host, ref.Repository)}
		}
		parents, err := repository.Parents(cmd.Context(), ref.Digest)
		if err != nil {
			return err
		}
		return out.parents(parents)
	}
	return cmd
}

// parents prints a list of parents.
func (o *output) parents(parents []client.Parent) error {
	digests := make([]string, len(parents))
	for i, p := range parents {
		digests[i] = p.Descriptor.Digest.String()
	}
	return o.print(parents, digests, func(s *sheet) {
		rows := make([][]string, len(parents))
		for i, p := range parents {
			rows[i] = []string{p.Kind, s.digest(p.Descriptor.Digest), client.Describe(p.Descriptor), p.Descriptor.ArtifactType}
		}
		s.table([]column{{name: "FIELD"}, {name: "DIGEST"}, {name: "WHAT", cut: true}, {name: "TYPE", wide: true}}, rows)
	})
}
