package options

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/policy"
)

// artifacts reads artifacts.rules.
func artifacts(cfg config.Artifacts) (policy.Artifacts, error) {
	all := make([]policy.ArtifactRule, 0, len(cfg.Rules))
	for _, rule := range cfg.Rules {
		actions := make([]policy.Action, 0, len(rule.Actions))
		for _, action := range rule.Actions {
			actions = append(actions, policy.Action(action))
		}
		all = append(all, policy.ArtifactRule{
			Name: rule.Name, Repositories: rule.Repositories, Actions: actions,
			Listeners: rule.Listeners, UserAgents: rule.UserAgents, Users: rule.Users, Groups: rule.Groups, Anonymous: rule.Anonymous,
			Allow: rule.Allow, Deny: rule.Deny,
		})
	}
	return policy.NewArtifacts(all)
}
