package main

import (
	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// addLegacy adds the flag that leaves out legacy referrers, and returns what tells
// whether they are wanted.
func addLegacy(cmd *cobra.Command) (wanted func() bool) {
	without := cmd.Flags().Bool("no-legacy", false, "leave out what cosign 2 keeps under tags (sha256-HEX.sig, .att and .sbom)")
	return func() bool { return !*without }
}

// describeListed says in words what an entry of a list is.
func describeListed(d oci.Descriptor) string {
	if d.Legacy {
		return client.Describe(d) + " (legacy)"
	}
	return client.Describe(d)
}
