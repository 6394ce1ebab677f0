package registry

import (
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	// coverageKept is for how long it is remembered what manifests say, which can't
	// change.
	coverageKept = time.Hour
	// coverageEntries is how many entries of indexes are remembered together.
	coverageEntries = 100_000
)

// coverageMemory remembers what was read to tell how images fare. It is of one
// repository each: what is named by its digest there was readable there.
type coverageMemory struct {
	lists      *otter.Cache[manifestName, listedImages]
	predicates *otter.Cache[manifestName, []string]
}

func newCoverageMemory(entries int) coverageMemory {
	return coverageMemory{
		lists: otter.Must(&otter.Options[manifestName, listedImages]{
			MaximumWeight: coverageEntries,
			Weigher: func(_ manifestName, list listedImages) uint32 {
				return uint32(1 + len(list.images) + len(list.attestations)) //nolint:gosec // Bounded by limits.manifestDescriptors.
			},
			ExpiryCalculator: otter.ExpiryWriting[manifestName, listedImages](coverageKept),
		}),
		predicates: newCache[manifestName, []string](coverageKept, entries),
	}
}
