package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backref/backref/index"
	"github.com/backref/backref/transfer"
)

// allReferrers is the value of --referrers without a filter.
const allReferrers = "all"

func newCopy() *cobra.Command {
	var request transfer.Request
	var referrers string
	cmd := &cobra.Command{
		Use:   "copy SRC DST",
		Short: "Copy an image or artifact with its referrers",
		Long: "Copy a manifest with all that it holds, and with --referrers what refers to it, the\n" +
			"referrers of these, and so on. SRC and DST are references such as\n" +
			"registry.example.com/app:v1, folders (oci:DIR[:tag]) or archives\n" +
			"(oci-archive:FILE[:tag]) with an OCI image layout.\n\n" +
			"What is in the target already is left alone: a copy that was stopped goes on where it\n" +
			"was when it is run again. Where the target has no referrers API, referrers tags are\n" +
			"written: merged with what is there, and looked at again when others that write there\n" +
			"too must be done. Of several copies at once none loses a referrer.\n\n" +
			"With --referrers=FILTER only those referrers of what is copied come along that the\n" +
			"filter lets through, and with them all that refers to them. On a terminal a bar shows\n" +
			"the progress; elsewhere each event is a line of JSON.",
		Example: "  backref copy --referrers localhost:8080/app:v1 registry.example.com/app:v1\n" +
			"  backref copy --referrers='artifactType=application/spdx+json' localhost:8080/app:v1 oci:app:v1\n" +
			"  backref copy --platform linux/arm64 localhost:8080/app:v1 oci-archive:app.tar:v1",
		Args:        copyArguments,
		Annotations: map[string]string{goesOn: "what was copied stays"},
	}
	from, to := addAccess(cmd, "from-"), addAccess(cmd, "to-")
	flags := cmd.Flags()
	flags.StringVar(&referrers, "referrers", "", "referrers too: `all`, or those that a filter such as artifactType=…&annotation=… lets through")
	flags.Lookup("referrers").NoOptDefVal = allReferrers
	flags.StringArrayVar(&request.Platforms, "platform", nil, "only the image for `os/architecture[/variant]`; repeatable, for an index of several")
	flags.IntVar(&request.Concurrency, "concurrency", transfer.DefaultConcurrency, "how many requests are under way once, as a `number`")
	cmd.ValidArgsFunction = completeLocations(from, 2)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if cmd.Flags().Changed("referrers") && referrers == "" {
			return usageError{errors.New("--referrers= is empty: give --referrers for all, or --referrers=FILTER")}
		}
		if request.Filter, err = referrersFilter(referrers); err != nil {
			return err
		}
		request.Referrers = referrers != ""
		if request.Concurrency < 1 {
			return usageError{fmt.Errorf("--concurrency %d: need 1 or more", request.Concurrency)}
		}
		if request.Source, err = transfer.ParseLocation(args[0]); err != nil {
			return usageError{err}
		}
		if request.Target, err = transfer.ParseLocation(args[1]); err != nil {
			return usageError{err}
		}
		if request.From, err = from.client(); err != nil {
			return err
		}
		if request.To, err = to.client(); err != nil {
			return err
		}
		return runCopy(cmd.Context(), newCopyDisplay(cmd), request)
	}
	return cmd
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
	if text == "" || text == allReferrers {
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
