package config

import "errors"

// Delete configures what deletes take along.
type Delete struct {
	Cascade []CascadeRule `key:"cascade" doc:"Which referrers go with a manifest that is deleted, in which repositories; of several rules for one the first counts. Without one they stay, unless the delete itself asks for it (?referrers=delete)." reload:"true"`
}

// CascadeRule has referrers go with their subject.
type CascadeRule struct {
	Name          string   `key:"name" doc:"Name of the rule, which answers and the audit state." required:"true"`
	Repositories  []string `key:"repositories" doc:"Repositories, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	ArtifactTypes []string `key:"artifactTypes" doc:"Types of the direct referrers that go, as patterns in which * stands for any characters; all where it is not set. What refers to those goes too."`
	LastTag       bool     `key:"lastTag" doc:"Whether the rule counts too where the last tag of a manifest is deleted: its referrers go then, and the registry decides what becomes of the manifest."`
}

func validateDelete(d Delete, check func(path string, err error)) {
	for _, rule := range d.Cascade {
		check("delete.cascade", checkRuleName(rule.Name))
		if len(rule.Repositories) == 0 {
			check("delete.cascade", errors.New("rule "+rule.Name+" names no repositories"))
		}
	}
}
