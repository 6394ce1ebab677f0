package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
)

// choosePlatforms narrows an index to platforms: one gives the image for it,
// several an index of their images.
func choosePlatforms(ctx context.Context, src source, root client.Manifest, platforms []string) (client.Manifest, error) {
	if len(platforms) == 0 {
		return root, nil
	}
	if !root.IsIndex() {
		return client.Manifest{}, fmt.Errorf("%s is the image of one platform: leave --platform out", root.Digest)
	}
	contents, err := root.Contents()
	if err != nil {
		return client.Manifest{}, err
	}
	var chosen []ocispec.Descriptor
	for _, platform := range platforms {
		matching := matchPlatform(contents.Manifests, platform)
		if len(matching) == 0 {
			return client.Manifest{}, fmt.Errorf("there is no image for %s; there are: %s", platform, strings.Join(platformNames(contents.Manifests), ", "))
		}
		for _, entry := range matching {
			if !slices.ContainsFunc(chosen, func(c ocispec.Descriptor) bool { return c.Digest == entry.Digest }) {
				chosen = append(chosen, entry)
			}
		}
	}
	if len(chosen) == 1 {
		return src.Manifest(ctx, chosen[0])
	}
	return root.WithEntries(chosen)
}

// matchPlatform returns the entries for os/architecture[/variant]. Without a
// variant any is taken.
func matchPlatform(entries []ocispec.Descriptor, platform string) []ocispec.Descriptor {
	var matching []ocispec.Descriptor
	for _, entry := range entries {
		if client.MatchPlatform(entry.Platform, platform) {
			matching = append(matching, entry)
		}
	}
	return matching
}

func platformNames(entries []ocispec.Descriptor) []string {
	var names []string
	for _, entry := range entries {
		if entry.Platform != nil {
			names = append(names, client.PlatformName(entry.Platform))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
