package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Coverage configures which images are watched for what they lack.
type Coverage struct {
	Rules    []CoverageRule `key:"rules" doc:"What images have to have: of each rule backref_coverage_images counts the images that have it, and that don't. See coverage.md." reload:"true"`
	Interval time.Duration  `key:"interval" doc:"How often the images are counted, by one replica; it needs upstream.service. 0 counts none." reload:"true"`
}

// CoverageRule says what images of some repositories have to have.
type CoverageRule struct {
	Name         string        `key:"name" doc:"The rule's name, the label of its metrics." required:"true"`
	Repositories []string      `key:"repositories" doc:"Repositories, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	Require      []string      `key:"require" doc:"What images have to have, as backref coverage --require has it: TYPE[@PLATFORMS], with signature, sbom, attestation, report, attestation: and a pattern of predicate types, or a pattern of artifact types." required:"true"`
	MaxAge       time.Duration `key:"maxAge" doc:"How old what is attached may be; any age where it is not given."`
	SignedBy     []string      `key:"signedBy" doc:"Names of verify.signers, one of whom has to have signed. Anybody where none is given."`
}

// Bounds of rules, which bound the series of metrics and what is asked.
const (
	maxCoverageRules   = 64
	maxCoverageRequire = 32
	maxCoverageAge     = 10 * maxDuration
)

// validateCoverage checks what can be told of rules without reading their patterns.
func validateCoverage(cfg *Config, check func(path string, err error)) {
	rules := cfg.Coverage.Rules
	if len(rules) > maxCoverageRules {
		check("coverage.rules", fmt.Errorf("has more than %d", maxCoverageRules))
	}
	names := map[string]bool{}
	for i, rule := range rules {
		path := fmt.Sprintf("coverage.rules[%d]", i)
		check(path, checkCoverageRule(rule))
		if names[rule.Name] && rule.Name != "" {
			check(path, fmt.Errorf("has the name %q of another one", rule.Name))
		}
		names[rule.Name] = true
	}
	if len(rules) > 0 && cfg.Coverage.Interval > 0 && !cfg.Upstream.Service.Configured() {
		check("coverage.rules", errors.New("need upstream.service, to read with; or set coverage.interval 0"))
	}
}

func checkCoverageRule(rule CoverageRule) error {
	switch {
	case rule.Name == "":
		return errors.New("needs a name")
	case len(rule.Name) > maxRuleName || strings.ContainsFunc(rule.Name, func(c rune) bool { return c < ' ' || c > '~' }):
		return fmt.Errorf("needs a name of printable ASCII, of %d bytes at most", maxRuleName)
	case len(rule.Repositories) == 0:
		return errors.New("names no repositories")
	case len(rule.Require) == 0:
		return errors.New("requires nothing")
	case len(rule.Require) > maxCoverageRequire || len(rule.SignedBy) > maxCoverageRequire:
		return fmt.Errorf("may have %d of require, and of signedBy", maxCoverageRequire)
	case rule.MaxAge < 0 || rule.MaxAge > maxCoverageAge:
		return errors.New("has a maxAge that is not between 0 and ten years")
	}
	return nil
}
