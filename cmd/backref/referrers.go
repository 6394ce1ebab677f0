package main

import (
	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
)

func newReferrers() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "referrers REF",
		Short: "List what refers to an image or artifact",
		Long: "List the signatures, SBOMs and other artifacts whose subject a manifest is. Behind a\n" +
			"backref the extension API answers; elsewhere the referrers API does, or the referrers\n" +
			"tag, of which every entry is fetched and checked.",
		Example: "  backref referrers localhost:8080/app:v1\n" +
			"  backref referrers --type 'application/*spdx*' --latest -o digest localhost:8080/app:v1\n" +
			"  backref referrers --annotation 'org.opencontainers.image.created>=2026-01-01T00:00:00Z' localhost:8080/app:v1",
		Args: arguments("REF"),
	}
	access, filters, out, legacy := addAccess(cmd, ""), addFilters(cmd), addOutput(cmd), addLegacy(cmd)
	cmd.ValidArgsFunction = completeReferences(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query, err := filters.query()
		if err != nil {
			return err
		}
		query.Legacy = legacy()
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		subject := ref.Digest
		if subject == "" {
			m, err := repository.Manifest(cmd.Context(), ref.Reference())
			if err != nil {
				return err
			}
			subject = m.Digest
		}
		found, err := repository.DatedReferrers(cmd.Context(), subject, query)
		if err != nil {
			return err
		}
		return out.referrers(found)
	}
	return cmd
}

// referrers prints a list of referrers.
func (o *output) referrers(found []client.Referrer) error {
	digests := make([]string, len(found))
	for i, d := range found {
		digests[i] = d.Digest.String()
	}
	if found == nil {
		found = []client.Referrer{}
	}
	return o.print(found, digests, func(s *sheet) {
		rows := make([][]string, len(found))
		for i, d := range found {
			rows[i] = []string{s.digest(d.Digest), describeListed(d.Descriptor), d.ArtifactType, d.Tag, s.age(d.Created)}
		}
		s.table([]column{{name: "DIGEST"}, {name: "WHAT", cut: true}, {name: "TYPE", wide: true}, {name: "TAG", wide: true}, {name: "AGE"}}, rows)
	})
}
