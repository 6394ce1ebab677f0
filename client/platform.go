package client

import (
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// PlatformName writes a platform as os/architecture[/variant]; empty for none.
func PlatformName(p *ocispec.Platform) string {
	if p == nil {
		return ""
	}
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// MatchPlatform reports whether a platform is os/architecture[/variant]. Without a
// variant any is taken; none is no platform.
func MatchPlatform(p *ocispec.Platform, wanted string) bool {
	name := PlatformName(p)
	return p != nil && (name == wanted || strings.HasPrefix(name, wanted+"/") && strings.Count(wanted, "/") == 1)
}
