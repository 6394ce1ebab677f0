package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/spf13/cobra"

	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
)

func newDoctor(environ []string) *cobra.Command {
	out := &output{}
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what is wrong with a server, its registry and its index, and what to do about it",
		Long: "Look at the configuration, the registry, the clock, the files, the index and the\n" +
			"server, and tell of each what is wrong and what mends it. Give the configuration of\n" +
			"the server, as to serve, and run it as the user and on the machine of the server:\n" +
			"the server is found by admin.listen, or named by --admin. Nothing is changed: the\n" +
			"registry is only read from, and so is the index. What can't be looked at from here\n" +
			"is \"not checked\", and says why. No secret is printed.\n\n" +
			"The exit code is 1 if anything fails, and 0 with warnings.",
		Example: "  backref doctor --config /etc/backref/backref.yaml\n" +
			"  backref doctor --admin https://backref.example.com:5001 --admin-token-file token -o json",
		Args: noArguments,
	}
	on := addServer(cmd, environ, true, "upstream", "index", "listen", "admin-listen")
	formats := []string{formatTable, formatJSON, formatYAML}
	cmd.Flags().StringVarP(&out.format, "output", "o", formatTable, "`format`: "+strings.Join(formats, ", "))
	completeValues(cmd, "output", formats...)
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long each check may take")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := out.known(formats); err != nil {
			return err
		}
		if timeout <= 0 {
			return usageError{errors.New("--timeout: must be above 0")}
		}
		return out.open(cmd.OutOrStdout())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := on.newDoctor(timeout)
		if err != nil {
			return err
		}
		report := d.examine(cmd.Context())
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if err := out.print(report, nil, report.show); err != nil || report.Healthy {
			return err
		}
		return fmt.Errorf("%d of %d findings are failures", report.Counts.Fail, len(report.Findings))
	}
	return cmd
}

// doctor looks at a server and at all that it needs.
type doctor struct {
	now     func() time.Time
	timeout time.Duration
	// cfg is the configuration as far as it could be read, set where its keys were
	// set, mistakes why it can't be used.
	cfg      config.Config
	set      map[string]string
	file     string
	mistakes error
	// named is the URL of the server that --admin names; empty for none.
	named string

	// What checks found that others go on from.
	server   *adminClient
	noServer string
	metrics  map[string]*dto.MetricFamily
	registry *upstream.Registry
	// unusable says why the registry can't be asked; empty where it can.
	unusable   string
	door       door
	repository string
	held       holding
}

// newDoctor reads what is to be looked at. Its errors are those of the command
// line; mistakes of the configuration are for a check to tell.
func (c *indexCommand) newDoctor(timeout time.Duration) (*doctor, error) {
	d := &doctor{now: time.Now, timeout: timeout, file: c.file}
	if c.flags.Changed("admin") {
		var err error
		if d.named, err = adminURL(c.admin); err != nil {
			return nil, err
		}
	}
	sources, err := c.sources()
	if err != nil {
		return nil, err
	}
	sources.Optional = []string{keyUpstreamURL}
	if d.cfg, d.set, d.mistakes = config.LoadSet(sources); d.mistakes != nil {
		d.cfg = config.Default()
	}
	return d, nil
}

// check is one thing that is looked at.
type check struct {
	// name is what the findings are told under; stable.
	name string
	look func(ctx context.Context) []finding
}

// examine makes all checks, one after the other: what one finds out others go on
// from.
func (d *doctor) examine(ctx context.Context) *health {
	defer d.close()
	report := &health{Version: versionLine(), At: d.now().UTC().Truncate(time.Second)}
	for _, c := range d.checks() {
		report.Findings = append(report.Findings, d.look(ctx, c)...)
	}
	report.count()
	return report
}

// look makes one check, within its time.
func (d *doctor) look(ctx context.Context, c check) []finding {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	found := c.look(ctx)
	for i := range found {
		found[i].Check = c.name
		// Errors that were joined have a line each.
		found[i].Message = strings.ReplaceAll(found[i].Message, "\n", "; ")
	}
	return found
}

// checks returns what there is to look at. What does not apply, such as the file of
// an index that is kept in a database, is left out.
func (d *doctor) checks() []check {
	all := []check{{"config", d.checkConfig}}
	if d.mistakes == nil {
		all = append(all, d.configChecks()...)
	}
	all = append(all, d.serverChecks()...)
	if d.mistakes != nil {
		return append(all, check{"everything else", func(context.Context) []finding {
			return one(notCheckedf("the configuration can't be used"))
		}})
	}
	for _, more := range [][]check{d.upstreamChecks(), d.clockChecks(), d.diskChecks(), d.secretChecks(), d.certificateChecks(), d.indexChecks(), d.eventChecks()} {
		all = append(all, more...)
	}
	return all
}

func (d *doctor) close() {
	if d.server != nil {
		_ = d.server.Close()
	}
	if d.registry != nil {
		d.registry.Close()
	}
}
