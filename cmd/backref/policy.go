package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/policy"
)

func newPolicy(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Test and explain the rules of a configuration",
		Long: "Ask the rules of a configuration what they decide: auth.rules, artifacts.rules and\n" +
			"tags.locks. No server is needed.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyTest(environ), newPolicyExplain(environ))
	return cmd
}

// ruleBook is all rules of a configuration that decide over requests.
type ruleBook struct {
	cfg config.Config
	// access is nil in auth.mode passthrough, where the registry decides.
	access *policy.Access
	policy.Policies
}

// newRuleBook reads the rules of a configuration.
func newRuleBook(cfg config.Config) (*ruleBook, error) {
	book := &ruleBook{cfg: cfg}
	var err error
	if book.access, err = options.Access(cfg.Auth); err != nil {
		return nil, err
	}
	book.Policies, err = options.Policies(cfg)
	return book, err
}

// readRuleBook reads the rules of the configuration that flags make, which may
// name no registry.
func readRuleBook(s *settings) (*ruleBook, error) {
	sources, err := s.sources()
	if err != nil {
		return nil, err
	}
	sources.Optional = []string{keyUpstreamURL}
	cfg, err := config.Load(sources)
	if err != nil {
		return nil, err
	}
	return newRuleBook(cfg)
}

// listens tells whether there is a listener of a name.
func (b *ruleBook) listens(name string) bool {
	return name == config.MainListener ||
		slices.ContainsFunc(b.cfg.Server.Listeners, func(l config.Listener) bool { return l.Name == name })
}
