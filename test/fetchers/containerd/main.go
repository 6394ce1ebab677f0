// Command containerd lists the referrers of an image as containerd
// does, by its fetcher: a digest a line.
//
//	referrers-containerd HOST/REPOSITORY@DIGEST
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/pkg/reference"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, ref string) error {
	spec, err := reference.Parse(ref)
	if err != nil {
		return err
	}
	hosts := docker.ConfigureDefaultRegistries(docker.WithPlainHTTP(docker.MatchAllHosts))
	fetcher, err := docker.NewResolver(docker.ResolverOptions{Hosts: hosts}).Fetcher(ctx, ref)
	if err != nil {
		return err
	}
	lister, able := fetcher.(remotes.ReferrersFetcher)
	if !able {
		return fmt.Errorf("%T fetches no referrers", fetcher)
	}
	referrers, err := lister.FetchReferrers(ctx, spec.Digest())
	for _, referrer := range referrers {
		fmt.Println(referrer.Digest)
	}
	return err
}
