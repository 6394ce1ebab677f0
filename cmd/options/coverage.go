package options

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backref/backref/config"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/reconcile"
)

// tagsElsewhere tells in which repositories tags may stand for something that
// upstream.url does not list: those of a pull-through cache, and those with sources.
// Patterns are read elsewhere; one that can't be is refused there.
func tagsElsewhere(cfg config.Config) func(repository string) bool {
	if cfg.Upstream.Cache {
		return func(string) bool { return true }
	}
	var globs []oci.Glob
	for _, source := range cfg.Referrers.Sources {
		for _, pattern := range source.Repositories {
			if glob, err := oci.ParseGlob(pattern); err == nil {
				globs = append(globs, glob)
			}
		}
	}
	return func(repository string) bool {
		return slices.ContainsFunc(globs, func(glob oci.Glob) bool { return glob.Match(repository) })
	}
}

// Coverage returns what the configuration says of which images are watched. It fails
// where a rule can't be read, or names a signer that verify.signers lacks; the error
// names its key.
func Coverage(cfg config.Config) (reconcile.CoverageSettings, error) {
	settings := reconcile.CoverageSettings{Interval: cfg.Coverage.Interval}
	for i, given := range cfg.Coverage.Rules {
		key := fmt.Sprintf("coverage.rules[%d]", i)
		rule := reconcile.CoverageRule{Name: given.Name, MaxAge: given.MaxAge, SignedBy: given.SignedBy}
		for _, pattern := range given.Repositories {
			glob, err := oci.ParseGlob(pattern)
			if err != nil {
				return settings, fmt.Errorf("%s.repositories: %w", key, err)
			}
			rule.Repositories = append(rule.Repositories, glob)
			if !strings.Contains(pattern, "*") {
				rule.Named = append(rule.Named, pattern)
			}
		}
		wanted, err := coverage.ParseAll(given.Require)
		if err != nil {
			return settings, fmt.Errorf("%s.require: %w", key, err)
		}
		for _, requirement := range wanted {
			rule.Require = append(rule.Require, requirement.String())
		}
		for _, name := range given.SignedBy {
			if !slices.ContainsFunc(cfg.Verify.Signers, func(s config.Signer) bool { return s.Name == name }) {
				return settings, fmt.Errorf("%s.signedBy: there is no signer %q in verify.signers", key, name)
			}
		}
		settings.Rules = append(settings.Rules, rule)
	}
	return settings, nil
}
