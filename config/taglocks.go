package config

// The values of [Tags.Deletion].
const (
	DeletionUnknown = "unknown"
	DeletionTag     = "tag"
)

// TagLock makes tags immutable.
type TagLock struct {
	Name         string   `key:"name" doc:"The rule's name, which no other lock has; a refusal names it." required:"true"`
	Repositories []string `key:"repositories" doc:"Repositories, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	Tags         []string `key:"tags" doc:"Tags that are locked, as patterns: * stands for any part. Those of signatures and referrers (sha256-HEX, sha256-HEX.sig, .att, .sbom) are locked only by a pattern that begins with sha256-."`
	Versions     string   `key:"versions" doc:"Tags that are locked beside these because they are semantic versions of three numbers, with or without a v before: releases, prereleases such as 1.2.3-rc.1, or all." enum:"none,releases,prereleases,all"`
	Except       []string `key:"except" doc:"Tags that this rule does not lock, as patterns."`
	Until        string   `key:"until" doc:"When the lock ends, as an RFC 3339 time such as 2027-01-31T00:00:00Z; never where it is not set."`
}
