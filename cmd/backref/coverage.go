package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
)

// formatSARIF is for code scanning.
const formatSARIF = "sarif"

func newCoverage() *cobra.Command {
	var query client.CoverageQuery
	var all bool
	cmd := &cobra.Command{
		Use:   "coverage REPO...",
		Short: "List the images that lack a signature, an SBOM or what else they have to have",
		Long: "List the tagged images that lack something: a signature and an SBOM, or what --require\n" +
			"says. REPO is a repository behind a backref, such as localhost:8080/app, or a pattern of\n" +
			"those that its catalog lists: localhost:8080/prod/** is all below prod.\n\n" +
			"A requirement is signature, sbom, attestation, report, attestation: with a pattern of\n" +
			"predicate types, or a pattern of artifact types. With @each behind it is about each image\n" +
			"of an index, with @linux/amd64,linux/arm64 about these.\n\n" +
			"The exit code is 0 where all images have all, and 1 where one lacks something.",
		Example: "  backref coverage localhost:8080/app\n" +
			"  backref coverage --require signature --require 'sbom@each' 'localhost:8080/prod/**'\n" +
			"  backref coverage --require 'attestation:https://slsa.dev/*' --max-age 720h -o sarif localhost:8080/app",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s: need REPO; see %s --help", cmd.Name(), cmd.CommandPath())}
			}
			return nil
		},
	}
	access, out := addAccess(cmd, ""), addCoverageOutput(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&query.Requirements, "require", coverage.DefaultRequirements(), "what images have to have, as `TYPE[@PLATFORMS]`; repeatable")
	flags.StringArrayVar(&query.SignedBy, "signed-by", nil, "`name` of a signer of the server's verify.signers, one of whom has to have signed; repeatable")
	flags.StringVar(&query.MaxAge, "max-age", "", "how old what is attached may be, such as `720h`")
	flags.StringArrayVar(&query.ExpiryAnnotations, "expiry-annotation", nil, "`key` of the annotation that says when an artifact expires; repeatable (default "+strings.Join(coverage.DefaultExpiryAnnotations(), ", ")+")")
	flags.StringArrayVar(&query.Tags, "tag", nil, "only tags that match the `glob`; repeatable")
	flags.StringArrayVar(&query.Platforms, "platform", nil, "of indexes only the images for `os/architecture[/variant]`; repeatable")
	flags.BoolVar(&all, "all", false, "show the images that lack nothing, too")
	completeValues(cmd, "require", "signature", "sbom", "attestation", "report")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkCoverage(query); err != nil {
			return usageError{err}
		}
		report, err := readCoverage(cmd.Context(), access, args, query)
		if err != nil {
			return err
		}
		if err := report.print(out, all); err != nil {
			return err
		}
		if gaps := report.Summary.Images - report.Summary.Covered; gaps > 0 {
			return fmt.Errorf("%d of %d images lack something", gaps, report.Summary.Images)
		}
		return nil
	}
	return cmd
}

// addCoverageOutput adds the flag for the format, which may be SARIF here.
func addCoverageOutput(cmd *cobra.Command) *output {
	o := &output{}
	formats := []string{formatTable, formatJSON, formatSARIF}
	cmd.Flags().StringVarP(&o.format, "output", "o", formatTable, "`format`: "+strings.Join(formats, ", "))
	cmd.Flags().BoolVar(&o.whole, "no-trunc", false, "show digests in full, and cut nothing to the width of the terminal")
	completeValues(cmd, "output", formats...)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.known(formats); err != nil {
			return err
		}
		return o.open(cmd.OutOrStdout())
	}
	return o
}

// checkCoverage refuses what a server would, before one is asked.
func checkCoverage(query client.CoverageQuery) error {
	if _, err := coverage.ParseAll(query.Requirements); err != nil {
		return fmt.Errorf("--require: %w", err)
	}
	if _, err := coverage.ParseAge(query.MaxAge); err != nil {
		return fmt.Errorf("--max-age %q: %w", query.MaxAge, err)
	}
	if len(query.Platforms) > 0 {
		if _, err := coverage.ParsePlatforms(strings.Join(query.Platforms, ",")); err != nil {
			return fmt.Errorf("--platform: %w", err)
		}
	}
	return nil
}

// coverageReport is what the command prints as JSON.
type coverageReport struct {
	Repositories []repositoryCoverage `json:"repositories"`
	// Summary counts the images of all.
	Summary coverage.Summary `json:"summary"`
}

// repositoryCoverage is that of one repository.
type repositoryCoverage struct {
	// Name is the repository with its host.
	Name   string           `json:"name"`
	Images []coverage.Image `json:"images"`
}

// readCoverage asks for all repositories that the arguments name.
func readCoverage(ctx context.Context, access *access, args []string, query client.CoverageQuery) (coverageReport, error) {
	report := coverageReport{Repositories: []repositoryCoverage{}, Summary: coverage.NewSummary(query.Requirements)}
	by, err := access.client()
	if err != nil {
		return report, err
	}
	var refs []client.Reference
	for _, arg := range args {
		named, err := repositoriesOf(ctx, by, arg)
		if err != nil {
			return report, err
		}
		for _, ref := range named {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	for _, ref := range refs {
		images, err := by.Repository(ref).Coverage(ctx, query)
		if err != nil {
			return report, err
		}
		for _, image := range images {
			report.Summary.Add(image)
		}
		report.Repositories = append(report.Repositories, repositoryCoverage{ref.String(), images})
	}
	return report, nil
}

// repositoriesOf returns the repositories that an argument names: one, or those of a
// catalog that a pattern matches.
func repositoriesOf(ctx context.Context, by *client.Client, arg string) ([]client.Reference, error) {
	host, name, _ := strings.Cut(arg, "/")
	if !strings.Contains(name, "*") {
		ref, err := client.ParseReference(arg)
		if err == nil && (ref.Tag != "" || ref.Digest != "") {
			err = fmt.Errorf("%s: need a repository; give --tag for certain tags", arg)
		}
		if err != nil {
			return nil, usageError{err}
		}
		return []client.Reference{ref}, nil
	}
	pattern, err := oci.ParseGlob(name)
	if err != nil {
		return nil, usageError{err}
	}
	if host == "" {
		return nil, usageError{errors.New("need a host before the pattern, such as localhost:8080/prod/**")}
	}
	all, err := by.AllRepositories(ctx, host)
	if err != nil {
		return nil, err
	}
	var refs []client.Reference
	for _, repository := range all {
		if pattern.Match(repository) {
			refs = append(refs, client.Reference{Host: host, Repository: repository})
		}
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("%s: the catalog of %s lists no repository that matches", arg, host)
	}
	return refs, nil
}
