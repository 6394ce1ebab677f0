package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/transfer"
)

func newAdopt() *cobra.Command {
	var request transfer.AdoptRequest
	var all bool
	cmd := &cobra.Command{
		Use:   "adopt REF",
		Short: "Write referrers for what cosign 2 left under tags",
		Long: "Write a referrer for each signature, attestation and SBOM that cosign 2 keeps under a\n" +
			"tag of a manifest (sha256-HEX.sig, .att and .sbom): with the same content, and the\n" +
			"manifest as its subject. The tags stay. What was adopted before is left alone, so the\n" +
			"command may be run again.\n\n" +
			"Signatures that were adopted verify without the tag where cosign is told so\n" +
			"(--experimental-oci11); attestations do not: no cosign reads them from there.",
		Example: "  backref adopt localhost:8080/app:v1\n" +
			"  backref adopt --recursive --dry-run localhost:8080/app:v1\n" +
			"  backref adopt --all -o json localhost:8080/app",
		Args: arguments("REF"),
	}
	access, out := addAccess(cmd, ""), addOutput(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&request.Images, "recursive", "r", false, "those of the images that an index lists too")
	flags.BoolVar(&all, "all", false, "all of the repository, as far as its list of tags shows them")
	flags.BoolVar(&request.DryRun, "dry-run", false, "say what would be written, and write nothing")
	cmd.ValidArgsFunction = completeReferences(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		if all && (ref.Tag != "" || ref.Digest != "") {
			return usageError{errors.New("--all is for a whole repository: give it without tag or digest")}
		}
		request.Repository = repository
		if !all {
			request.Reference = ref.Reference()
		}
		found, err := transfer.Adopt(cmd.Context(), request)
		if err != nil {
			return err
		}
		return out.adoptions(found)
	}
	return cmd
}

// adoptions prints what became of legacy referrers.
func (o *output) adoptions(found []transfer.Adoption) error {
	digests := []string{}
	for _, a := range found {
		if a.Digest != "" {
			digests = append(digests, a.Digest.String())
		}
	}
	if found == nil {
		found = []transfer.Adoption{}
	}
	return o.print(found, digests, func(s *sheet) {
		rows := make([][]string, len(found))
		for i, a := range found {
			what := client.Describe(oci.Descriptor{ArtifactType: a.ArtifactType})
			rows[i] = []string{string(a.Outcome), what, s.digest(a.Digest), s.digest(a.Subject), a.Tag}
		}
		s.table([]column{{name: "OUTCOME"}, {name: "WHAT", cut: true}, {name: "DIGEST"}, {name: "SUBJECT"}, {name: "TAG", wide: true}}, rows)
	})
}
