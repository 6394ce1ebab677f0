package options

import (
	"fmt"

	"github.com/backref/backref/config"
	"github.com/backref/backref/policy"
)

// Policies returns what the configuration says of the life cycle. It fails where
// a rule can't be read; the error names its key.
func Policies(cfg config.Config) (policy.Policies, error) {
	p := policy.Policies{DeletesTagsAlone: cfg.Tags.Deletion == config.DeletionTag}
	var err error
	if p.Locks, err = tagLocks(cfg.Tags.Locks); err != nil {
		return p, fmt.Errorf("tags.locks: %w", err)
	}
	if p.Artifacts, err = artifacts(cfg.Artifacts); err != nil {
		return p, fmt.Errorf("artifacts.rules: %w", err)
	}
	if p.Cascades, err = cascades(cfg.Delete.Cascade); err != nil {
		return p, fmt.Errorf("delete.cascade: %w", err)
	}
	if p.Retention, err = Retention(cfg.Retention); err != nil {
		return p, err
	}
	return p, nil
}

// cascades reads delete.cascade.
func cascades(list []config.CascadeRule) (*policy.Cascades, error) {
	rules := make([]policy.CascadeRule, 0, len(list))
	for _, rule := range list {
		rules = append(rules, policy.CascadeRule(rule))
	}
	return policy.NewCascades(rules)
}
