package options

import (
	"fmt"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/policy"
)

// tagLocks reads tags.locks.
func tagLocks(list []config.TagLock) (policy.TagLocks, error) {
	rules := make([]policy.TagLock, 0, len(list))
	for _, lock := range list {
		rule := policy.TagLock{
			Name: lock.Name, Repositories: lock.Repositories, Tags: lock.Tags,
			Versions: policy.VersionClass(lock.Versions), Except: lock.Except,
		}
		if lock.Until != "" {
			until, err := time.Parse(time.RFC3339, lock.Until)
			if err != nil {
				return policy.TagLocks{}, fmt.Errorf("rule %q: until: %q is not a time such as 2027-01-31T00:00:00Z", lock.Name, lock.Until)
			}
			rule.Until = until
		}
		rules = append(rules, rule)
	}
	return policy.NewTagLocks(rules)
}
