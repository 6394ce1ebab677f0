package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/compare"
	"github.com/backref/backref/transfer"
)

// errDiffers is the error of a comparison that is to fail where something differs.
var errDiffers = errors.New("they differ")

func newDiff() *cobra.Command {
	var options compare.Options
	var maxBlob int64
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what differs between two images",
		Long: "Show what differs between two images, or two indexes of them platform by platform:\n" +
			"layers, configuration, annotations, what is attached to them (signatures,\n" +
			"attestations, reports), and which packages their SBOMs list. A and B may be in\n" +
			"different repositories and registries, or folders (oci:DIR[:tag]) and archives\n" +
			"(oci-archive:FILE[:tag]) with an OCI image layout. Nothing is verified but digests.",
		Example: "  backref diff localhost:8080/app:v1 localhost:8080/app:v2\n" +
			"  backref diff --platform linux/arm64 localhost:8080/app:v1 registry.example.com/app:v1\n" +
			"  backref diff --exit-code -o json localhost:8080/app:v1 oci:app:v1",
		Args: arguments("A", "B"),
	}
	access, out := addAccess(cmd, ""), addOutput(cmd)
	flags := cmd.Flags()
	flags.StringVar(&options.Platform, "platform", "", "of an index only the image for `os/architecture[/variant]`")
	flags.BoolVar(&exitCode, "exit-code", false, "fail with exit code 1 where something differs, or could not be read")
	flags.Int64Var(&maxBlob, "max-document", compare.DefaultMaxBlob>>20, "how large a configuration, SBOM or attestation is that is read, in `MiB`")
	cmd.ValidArgsFunction = completeLocations(access, 2)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		const most = 1 << 10
		if maxBlob < 1 || maxBlob > most {
			return usageError{fmt.Errorf("--max-document %d: need 1 to %d", maxBlob, most)}
		}
		options.MaxBlob = maxBlob << 20
		found, err := readDiff(cmd.Context(), access, args, options)
		if err != nil {
			return err
		}
		digests := []string{found.A.Digest.String(), found.B.Digest.String()}
		if err := out.print(found, digests, func(s *sheet) { s.diff(found) }); err != nil {
			return err
		}
		if exitCode && !found.Same {
			return errDiffers
		}
		return nil
	}
	return cmd
}

// readDiff compares the images that two locations name.
func readDiff(ctx context.Context, access *access, named []string, options compare.Options) (*compare.Difference, error) {
	var locations [2]transfer.Location
	for i := range locations {
		var err error
		if locations[i], err = transfer.ParseLocation(named[i]); err != nil {
			return nil, usageError{err}
		}
	}
	by, err := access.client()
	if err != nil {
		return nil, err
	}
	var sides [2]compare.Side
	for i, at := range locations {
		from, root, err := transfer.OpenGraph(ctx, at, by)
		if err != nil {
			return nil, err
		}
		sides[i] = compare.Side{Name: named[i], From: from, Root: root}
	}
	found, err := compare.Images(ctx, sides[0], sides[1], options)
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", client.Printable(named[0]), client.Printable(named[1]), err)
	}
	return found, nil
}
