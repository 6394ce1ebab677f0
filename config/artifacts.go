package config

import (
	"errors"
	"fmt"
	"slices"
)

// Artifacts configures which artifact types may be pushed and pulled.
type Artifacts struct {
	Rules []ArtifactRule `key:"rules" doc:"Which artifact types may be pushed to which repositories, and pulled from there by which clients. What a rule is about, all of them have to let through; what none is about passes." reload:"true"`
}

// ArtifactRule says which artifact types some clients may push or pull.
type ArtifactRule struct {
	Name         string   `key:"name" doc:"The name of the rule, by which refusals and the audit name it." required:"true"`
	Repositories []string `key:"repositories" doc:"Repositories that the rule is about, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	Actions      []string `key:"actions" doc:"What the rule is about." required:"true" enum:"push,pull"`
	Listeners    []string `key:"listeners" doc:"Listeners that the rule is about, by their names: main is server.listen, the others are those of server.listeners. Without any it is about all."`
	Users        []string `key:"users" doc:"Users that the rule is about; * is everyone who signed in. For auth.mode service. Without users, groups and anonymous it is about all."`
	Groups       []string `key:"groups" doc:"Groups of users that the rule is about. For auth.mode service."`
	Anonymous    bool     `key:"anonymous" doc:"The rule is about clients that have not signed in. For auth.mode service."`
	UserAgents   []string `key:"userAgents" doc:"Programs that the rule is about, as patterns of what they say in the header User-Agent: * stands for any characters, ? for one. Clients may say what they like, so such a rule prevents mistakes, and no intent. Without any it is about all."`
	Allow        []string `key:"allow" doc:"The only artifact types that the rule lets through, as patterns, * for any characters; images stands for images and indexes of them. Either allow or deny."`
	Deny         []string `key:"deny" doc:"The artifact types that the rule does not let through, as for allow."`
}

// validateArtifacts checks what the rules say of clients; what they say of
// repositories and types is for who reads the patterns.
func validateArtifacts(cfg *Config, check func(path string, err error)) {
	const key = "artifacts.rules"
	listeners := []string{MainListener}
	for _, further := range cfg.Server.Listeners {
		listeners = append(listeners, further.Name)
	}
	for _, rule := range cfg.Artifacts.Rules {
		check(key, checkArtifactRule(rule, cfg.Auth.Mode == AuthService, listeners))
	}
}

func checkArtifactRule(rule ArtifactRule, signIn bool, listeners []string) error {
	if err := checkRuleName(rule.Name); err != nil {
		return err
	}
	if !signIn && (len(rule.Users) > 0 || len(rule.Groups) > 0 || rule.Anonymous) {
		return fmt.Errorf("rule %s tells clients apart by users, groups or anonymous: in auth.mode passthrough only the registry knows who they are; set auth.mode to service", rule.Name)
	}
	for _, name := range rule.Listeners {
		if !slices.Contains(listeners, name) {
			return fmt.Errorf("rule %s is about the listener %q, which is neither %s nor among server.listeners", rule.Name, name, MainListener)
		}
	}
	return nil
}

// maxRuleName is how long the name of a rule may be, in bytes.
const maxRuleName = 128

// checkRuleName makes sure that a rule can be named in a header and in a table.
func checkRuleName(name string) error {
	if name == "" {
		return errors.New("a rule has no name")
	}
	if len(name) > maxRuleName {
		return fmt.Errorf("the name of a rule has more than %d bytes", maxRuleName)
	}
	for _, c := range name {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return fmt.Errorf("the name of the rule %q has characters beside those of printable ASCII, or a quote or backslash", name)
		}
	}
	return nil
}
