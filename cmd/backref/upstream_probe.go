package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/probe"
)

func newUpstreamProbe(environ []string) *cobra.Command {
	out := &output{}
	var asked probe.Options
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Tell what the registry can and can't do, each with the request that showed it",
		Long: "Ask the registry of upstream.url, with the credentials of upstream.service, what it can\n" +
			"and can't do: the referrers API, pages of lists, ranges of blobs, and the like. Nothing\n" +
			"makes up for what it lacks meanwhile. It is only read from, unless --write names a\n" +
			"repository: then images are written there under tags that begin with backref-probe-,\n" +
			"and removed again as far as the registry lets that be; what is left is told. Give it a\n" +
			"repository of its own. What can't be known is \"unknown\", and says why.",
		Example: "  backref upstream probe --upstream http://localhost:5000\n" +
			"  backref upstream probe --config /etc/backref/backref.yaml --write probe/a --mount-from probe/b -o json",
		Args: noArguments,
	}
	on := addSettings(cmd, environ, "upstream")
	formats := []string{formatTable, formatJSON, formatYAML}
	cmd.Flags().StringVarP(&out.format, "output", "o", formatTable, "`format`: "+strings.Join(formats, ", "))
	completeValues(cmd, "output", formats...)
	cmd.Flags().StringVar(&asked.Repository, "repository", "", "`repository` to look at (default the first of the catalog that has a tag)")
	cmd.Flags().StringVar(&asked.Write, "write", "", "`repository` to write to and to look at")
	cmd.Flags().StringVar(&asked.MountFrom, "mount-from", "", "further `repository` to write to, from which a blob is mounted into that of --write")
	cmd.Flags().DurationVar(&asked.Timeout, "timeout", 10*time.Second, "how long each question may take")
	cmd.MarkFlagsMutuallyExclusive("repository", "write")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(out.known(formats), checkProbe(asked)); err != nil {
			return usageError{err}
		}
		return out.open(cmd.OutOrStdout())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := on.load()
		if err != nil {
			return err
		}
		asked.Nonce = strings.ToLower(rand.Text())
		report, err := probeUpstream(cmd.Context(), cfg.Upstream, asked)
		if err != nil {
			return err
		}
		if err := out.print(report, nil, func(s *sheet) { showProbe(s, report) }); err != nil {
			return err
		}
		if report.Fault != "" {
			return errors.New(report.Fault)
		}
		return cmd.Context().Err()
	}
	return cmd
}

// checkProbe refuses what nobody can mean.
func checkProbe(asked probe.Options) error {
	for _, given := range []struct{ flag, repository string }{
		{"--repository", asked.Repository}, {"--write", asked.Write}, {"--mount-from", asked.MountFrom},
	} {
		if given.repository != "" && !oci.ValidRepository(given.repository) {
			return fmt.Errorf("%s %q: need the name of a repository, such as team/app", given.flag, given.repository)
		}
	}
	switch {
	case asked.Timeout <= 0:
		return errors.New("--timeout: must be above 0")
	case asked.MountFrom != "" && asked.Write == "":
		return errors.New("--mount-from: is written to, so give --write too")
	case asked.MountFrom != "" && asked.MountFrom == asked.Write:
		return errors.New("--mount-from: need another repository than that of --write")
	default:
		return nil
	}
}

// probeUpstream asks a registry, without anything that makes up for what it lacks.
func probeUpstream(ctx context.Context, cfg config.Upstream, asked probe.Options) (*probe.Report, error) {
	registry, err := upstream.New(options.Upstream(cfg))
	if err != nil {
		return nil, err
	}
	defer registry.Close()
	asked.Registry, asked.Name, asked.Now = registry, cfg.URL.Redacted(), time.Now()
	return probe.Run(ctx, asked), nil
}

// showProbe writes a report for people.
func showProbe(s *sheet, report *probe.Report) {
	_, _ = fmt.Fprintf(s, "%s, repository %s\n\n", client.Printable(report.Registry), client.Printable(cmp.Or(report.Repository, "-")))
	rows := make([][]string, len(report.Findings))
	for i, f := range report.Findings {
		shown := f.Answer
		if f.Reason != "" {
			shown = strings.TrimPrefix(shown+"; "+f.Reason, "; ")
		}
		rows[i] = []string{f.Capability, string(f.Verdict), shown, cmp.Or(f.Request, "-")}
	}
	s.table([]column{{name: "CAPABILITY"}, {name: "VERDICT"}, {name: "SHOWN BY", cut: true}, {name: "REQUEST", cut: true}}, rows)
	_, _ = fmt.Fprintf(s, "\n%d yes, %d no, %d unknown\n", len(report.Of(probe.Yes)), len(report.Of(probe.No)), len(report.Of(probe.Unknown)))
	for _, left := range report.Left {
		_, _ = fmt.Fprintf(s, "left: %s\n", client.Printable(left))
	}
}
