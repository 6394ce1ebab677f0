package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backref/backref/index"
	"github.com/backref/backref/transfer"
)

// The values of --referrers that are no filters.
const (
	allReferrers = "all"
	noReferrers  = "none"
)

// copyLong is what the command says of itself.
const copyLong = "Copy a manifest with all that it holds, and with --referrers what refers to it, the\n" +
	"referrers of these, and so on. SRC and DST are references such as\n" +
	"registry.example.com/app:v1, folders (oci:DIR[:tag]) or archives\n" +
	"(oci-archive:FILE[:tag]) with an OCI image layout.\n\n" +
	"With --all-tags, or --tags GLOB, SRC and DST are repositories, or layouts, and the\n" +
	"referrers come along unless --referrers=none is given. One tag that fails stops no\n" +
	"other; the exit code is 1 then. --from-file FILE names many, one a line: SRC and DST, or\n" +
	"SRC alone for both, behind the two bases that may be given in the place of SRC and DST.\n\n" +
	"What is in the target already is left alone: a copy that was stopped goes on where it\n" +
	"was when it is run again. Where the target has no referrers API, referrers tags are\n" +
	"written: merged with what is there, and looked at again when others that write there\n" +
	"too must be done. Of several copies at once none loses a referrer.\n\n" +
	"With --referrers=FILTER only those referrers of what is copied come along that the\n" +
	"filter lets through, and with them all that refers to them. On a terminal a bar shows\n" +
	"the progress; elsewhere each event is a line of JSON."

const copyExample = "  backref copy --referrers localhost:8080/app:v1 registry.example.com/app:v1\n" +
	"  backref copy --referrers='artifactType=application/spdx+json' localhost:8080/app:v1 oci:app:v1\n" +
	"  backref copy --platform linux/arm64 localhost:8080/app:v1 oci-archive:app.tar:v1\n" +
	"  backref copy --all-tags --dry-run localhost:8080/app registry.example.com/app\n" +
	"  backref copy --tags 'v1.*' --exclude-tags '*-rc*' localhost:8080/app oci:app\n" +
	"  backref copy --all-tags --from-file names.txt localhost:8080 registry.example.com/mirror"

// copying is a copy as the command line asks for it.
type copying struct {
	request   transfer.Request
	referrers string
	from, to  *access
	tags      *copyTags
	format    *copyFormat
	legacy    func() bool
}

func newCopy() *cobra.Command {
	cmd := &cobra.Command{
		Use: "copy SRC DST", Short: "Copy images, artifacts or whole repositories with their referrers",
		Long: copyLong, Example: copyExample,
		Annotations: map[string]string{goesOn: "what was copied stays"},
	}
	c := &copying{
		from: addAccess(cmd, "from-"), to: addAccess(cmd, "to-"), tags: addCopyTags(cmd), format: addCopyOutput(cmd), legacy: addLegacy(cmd),
	}
	addQuiet(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.referrers, "referrers", "", "referrers too: `all`, none, or those that a filter such as artifactType=…&annotation=… lets through")
	flags.Lookup("referrers").NoOptDefVal = allReferrers
	flags.StringArrayVar(&c.request.Platforms, "platform", nil, "only the image for `os/architecture[/variant]`; repeatable, for an index of several")
	flags.IntVar(&c.request.Concurrency, "concurrency", transfer.DefaultConcurrency, "how many requests are under way at once, as a `number`")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if c.tags.file != "" && len(args) == 0 {
			return nil
		}
		return copyArguments(cmd, args)
	}
	cmd.ValidArgsFunction = completeLocations(c.from, 2)
	cmd.RunE = c.run
	return cmd
}

func (c *copying) run(cmd *cobra.Command, args []string) error {
	if err := c.read(cmd); err != nil {
		return err
	}
	show := newCopyDisplay(cmd, *c.format)
	if c.tags.many() || c.tags.dryRun {
		jobs, err := c.tags.jobs(cmd.InOrStdin(), c.request, args)
		if err != nil {
			return err
		}
		return runJobs(cmd.Context(), newTagsDisplay(show.display, c.tags), jobs)
	}
	if err := locate(&c.request, args[0], args[1]); err != nil {
		return usageError{err}
	}
	return runCopy(cmd.Context(), show, c.request)
}

// read reads the flags into the request.
func (c *copying) read(cmd *cobra.Command) (err error) {
	if cmd.Flags().Changed("referrers") && c.referrers == "" {
		return usageError{errors.New("--referrers= is empty: give --referrers for all, or --referrers=FILTER")}
	}
	if c.referrers == "" && c.tags.many() {
		c.referrers = allReferrers
	}
	if c.request.Filter, err = referrersFilter(c.referrers); err != nil {
		return err
	}
	c.request.Filter.Legacy = c.legacy()
	c.request.Referrers = c.referrers != "" && c.referrers != noReferrers
	if c.request.Concurrency < 1 {
		return usageError{fmt.Errorf("--concurrency %d: need 1 or more", c.request.Concurrency)}
	}
	if err := c.tags.check(cmd); err != nil {
		return err
	}
	if c.request.From, err = c.from.client(); err != nil {
		return err
	}
	c.request.To, err = c.to.client()
	return err
}

// locate reads the two ends of a copy.
func locate(request *transfer.Request, source, target string) (err error) {
	if request.Source, err = transfer.ParseLocation(source); err != nil {
		return err
	}
	request.Target, err = transfer.ParseLocation(target)
	return err
}

// copyArguments wants a source and a target. The value of --referrers is easily
// taken for an argument of its own.
func copyArguments(cmd *cobra.Command, args []string) error {
	err := arguments("SRC", "DST")(cmd, args)
	if err != nil && cmd.Flags().Changed("referrers") && len(args) > 2 {
		return usageError{fmt.Errorf("%w; the value of --referrers is joined by =, as --referrers=%s", err, args[0])}
	}
	return err
}

// referrersFilter reads the value of --referrers.
func referrersFilter(text string) (index.Query, error) {
	if text == "" || text == allReferrers || text == noReferrers {
		return index.Query{}, nil
	}
	return parseFilter(text)
}

func runCopy(ctx context.Context, show *copyDisplay, request transfer.Request) error {
	request.Watch = show
	result, err := transfer.Copy(ctx, request)
	show.end(result, err)
	return err
}
