// Command crane lists the referrers of an image as crane, cosign and
// others do, by their library: a digest a line.
//
//	referrers-crane HOST/REPOSITORY@DIGEST
package main

import (
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ref string) error {
	subject, err := name.NewDigest(ref, name.Insecure)
	if err != nil {
		return err
	}
	index, err := remote.Referrers(subject)
	if err != nil {
		return err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, referrer := range list.Manifests {
		fmt.Println(referrer.Digest)
	}
	return nil
}
