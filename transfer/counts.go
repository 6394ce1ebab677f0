package transfer

import "maps"

// Counts say how much came into a target, and how. They may not be used
// concurrently.
type Counts struct {
	Manifests     map[Outcome]int `json:"manifests"`
	Blobs         map[Outcome]int `json:"blobs"`
	Bytes         int64           `json:"bytes"`
	Referrers     int             `json:"referrers"`
	ReferrersTags int             `json:"referrersTags"`
	LegacyTags    int             `json:"legacyTags,omitempty"`
}

// NewCounts returns counts of nothing.
func NewCounts() Counts {
	return Counts{Manifests: map[Outcome]int{}, Blobs: map[Outcome]int{}}
}

// Add adds others.
func (c *Counts) Add(others Counts) {
	AddOutcomes(c.Manifests, others.Manifests)
	AddOutcomes(c.Blobs, others.Blobs)
	c.Bytes += others.Bytes
	c.Referrers += others.Referrers
	c.ReferrersTags += others.ReferrersTags
	c.LegacyTags += others.LegacyTags
}

// clone returns counts that change with none.
func (c Counts) clone() Counts {
	c.Manifests, c.Blobs = maps.Clone(c.Manifests), maps.Clone(c.Blobs)
	return c
}

// AddOutcomes adds numbers by outcome to others.
func AddOutcomes(to, numbers map[Outcome]int) {
	for outcome, n := range numbers {
		to[outcome] += n
	}
}
