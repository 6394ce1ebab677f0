package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
)

// CoverageRule is what images of some repositories have to have.
type CoverageRule struct {
	Name string
	// Repositories are patterns, and Named those of them that are names.
	Repositories []oci.Glob
	Named        []string
	// Require are requirements as [coverage.Parse] reads them, each once.
	Require  []string
	MaxAge   time.Duration
	SignedBy []string
}

// CoverageSettings say what is watched, and how often; Interval 0 for not at all.
type CoverageSettings struct {
	Rules    []CoverageRule
	Interval time.Duration
}

// CoverageOptions are what a [Coverage] is made of. All are required but Metrics.
type CoverageOptions struct {
	Source *Source
	// Settings returns those of the moment.
	Settings func() CoverageSettings
	// Ask counts the images of one repository by a rule, as the service. It calls pace
	// with how many tags it has looked up, which waits as long as reconcile.rate asks.
	// A repository that is not there, or not shown, is [ErrNoRepository].
	Ask func(ctx context.Context, repository string, rule CoverageRule, pace func(tags int) error) (coverage.Summary, error)
	Log *zap.Logger
	// Metrics is where the figures are shown.
	Metrics *prometheus.Registry
}

// ErrNoRepository means that a repository is not there, or not shown to who asks.
var ErrNoRepository = errors.New("the registry has no such repository, or does not show it to upstream.service")

// Coverage counts from time to time how the images of the registry fare with rules, and
// shows the figures as metrics. It is for one process at a time of those that share the
// store: see [Background].
type Coverage struct {
	CoverageOptions
	metrics *coverageMetrics
}

// NewCoverage returns what counts, once it is run.
func NewCoverage(o CoverageOptions) *Coverage { return &Coverage{o, newCoverageMetrics(o.Metrics)} }

// coverageLook is how often it is looked whether a count is due, or rules have changed.
const coverageLook = time.Second

// Run counts whenever it is time, until ctx ends; a rule that is new or has changed at
// once. What it showed is dropped then: another process shows it from there on.
func (c *Coverage) Run(ctx context.Context) {
	defer c.metrics.keep(nil)
	counted := map[string]countedRule{}
	for ctx.Err() == nil {
		settings := c.Settings()
		if settings.Interval == 0 {
			settings.Rules = nil
		}
		c.metrics.keep(settings.Rules)
		var due []CoverageRule
		for _, rule := range settings.Rules {
			last, known := counted[rule.Name]
			if said := fmt.Sprint(rule); !known || last.said != said || !c.Source.now().Before(last.at.Add(settings.Interval)) {
				due = append(due, rule)
				counted[rule.Name] = countedRule{said, c.Source.now()}
			}
		}
		if len(due) > 0 {
			c.count(ctx, due)
		}
		select {
		case <-ctx.Done():
		case <-time.After(coverageLook):
		}
	}
}

// countedRule is a rule as it was counted last, and when that began.
type countedRule struct {
	said string
	at   time.Time
}

// count counts by some rules. Of one that fails anywhere the figures of before stay:
// those without a repository would look better than things are.
func (c *Coverage) count(ctx context.Context, rules []CoverageRule) {
	var catalog []string
	var catalogErr error
	if slices.ContainsFunc(rules, func(rule CoverageRule) bool { return len(rule.Named) < len(rule.Repositories) }) {
		if catalog, catalogErr = c.Source.repositories(ctx); catalogErr != nil {
			catalogErr = c.Source.withoutCatalog(ctx, catalogErr)
		}
	}
	for _, rule := range rules {
		summary, failed := coverage.NewSummary(rule.Require), 0
		if len(rule.Named) < len(rule.Repositories) && catalogErr != nil {
			failed++
			c.Log.Warn("the images of a rule can't be counted", zap.String("rule", rule.Name), zap.Error(catalogErr))
		}
		for _, repository := range rule.among(catalog) {
			found, err := c.Ask(ctx, repository, rule, func(tags int) error { return c.Source.pace(ctx, tags) })
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, ErrNoRepository) && !slices.Contains(rule.Named, repository):
				// Registries list repositories whose last tag is gone.
			case err != nil:
				failed++
				c.Log.Warn("the images of a repository can't be counted; the last figures of the rule stay",
					zap.String("rule", rule.Name), zap.String("repository", repository), zap.Error(err))
			default:
				summary.Include(found)
			}
		}
		if failed == 0 && ctx.Err() == nil {
			c.metrics.set(rule.Name, summary, c.Source.now())
		}
	}
}

// among returns the repositories that a rule is about: of the catalog those that it
// selects, and those that it names.
func (r CoverageRule) among(catalog []string) []string {
	names := slices.Clone(r.Named)
	for _, repository := range catalog {
		if slices.ContainsFunc(r.Repositories, func(glob oci.Glob) bool { return glob.Match(repository) }) {
			names = append(names, repository)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
