package options

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/reconcile"
)

// Retention returns what the configuration says of which referrers stay. It fails
// where a rule can't be read; the error names its key.
func Retention(cfg config.Retention) (*policy.Retention, error) {
	var rules []policy.RetentionRule
	for i, given := range cfg.Rules {
		filters, err := retentionFilters(given.Annotations)
		if err != nil {
			return nil, fmt.Errorf("retention.rules[%d].annotations: rule %q: %w", i, given.Name, err)
		}
		rules = append(rules, policy.RetentionRule{
			Name: given.Name, Repositories: given.Repositories, SubjectGoneFor: given.SubjectGoneFor,
			Selects:   retentionSelects(given.ArtifactTypes, filters),
			Selection: fmt.Sprintf("%q %q", given.ArtifactTypes, given.Annotations),
			Keep:      policy.RetentionKeep{All: given.Keep.All, Newest: given.Keep.Newest, YoungerThan: given.Keep.YoungerThan},
		})
	}
	retention, err := policy.NewRetention(rules)
	if err != nil {
		return nil, fmt.Errorf("retention.rules: %w", err)
	}
	return retention, nil
}

// RetentionSettings returns what the configuration says of how and when the rules are
// carried out.
func RetentionSettings(cfg config.Retention) (reconcile.RetentionSettings, error) {
	rules, err := Retention(cfg)
	return reconcile.RetentionSettings{Rules: rules, Interval: cfg.Interval, Rate: cfg.Rate, MaxPerRun: cfg.MaxPerRun}, err
}

// Retaining returns what the configuration says of how rules are carried out that are
// given apart.
func Retaining(cfg config.Config) reconcile.RetentionOptions {
	return reconcile.RetentionOptions{
		Concurrency: cfg.Reconcile.Concurrency, MissingTwice: cfg.Reconcile.MissingTwice, RequestTime: RequestTime(cfg),
	}
}

// retentionFilter is a filter of an annotation. Where relative is set its value is
// that long after the present.
type retentionFilter struct {
	index.AnnotationFilter
	moves    bool
	relative time.Duration
}

// beforeNow is a filter up to a value that is told from the present.
var beforeNow = regexp.MustCompile(`^(.*[<>]=?)now([+-].*)?$`)

func retentionFilters(texts []string) ([]retentionFilter, error) {
	var filters []retentionFilter
	for _, text := range texts {
		filter, err := readRetentionFilter(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		filters = append(filters, filter)
	}
	return filters, nil
}

func readRetentionFilter(text string) (filter retentionFilter, err error) {
	parts := beforeNow.FindStringSubmatch(text)
	if parts == nil {
		filter.AnnotationFilter, err = index.ParseAnnotationFilter(text)
		return filter, err
	}
	if parts[2] != "" {
		if filter.relative, err = time.ParseDuration(parts[2]); err != nil {
			return filter, fmt.Errorf("behind now need a duration such as -720h: %w", err)
		}
	}
	at := time.Unix(0, 0).UTC().Format(time.RFC3339)
	if filter.AnnotationFilter, err = index.ParseAnnotationFilter(parts[1] + at); err != nil {
		return filter, err
	}
	if !strings.ContainsAny(string(filter.Operator()), "<>") {
		// The operator is another one before: what follows is a plain text.
		return retentionFilter{}, fmt.Errorf("%s and a time that moves need <, <=, > or >= between them", filter.Key())
	}
	filter.moves = true
	return filter, nil
}

// at returns the filter as it is at a time.
func (f retentionFilter) at(now time.Time) index.AnnotationFilter {
	if !f.moves {
		return f.AnnotationFilter
	}
	filter, err := index.NewAnnotationFilter(f.Key(), f.Operator(), now.Add(f.relative).UTC().Format(time.RFC3339Nano))
	if err != nil {
		// What was read as a filter with a time is one with any other.
		panic(err)
	}
	return filter
}

// retentionSelects tells by artifact type and annotations what a rule selects.
func retentionSelects(artifactTypes []string, filters []retentionFilter) func(time.Time) func(string, map[string]string) bool {
	return func(now time.Time) func(string, map[string]string) bool {
		query := index.Query{ArtifactTypes: artifactTypes}
		for _, filter := range filters {
			query.Annotations = append(query.Annotations, filter.at(now))
		}
		return func(artifactType string, annotations map[string]string) bool {
			return query.MatchesType(artifactType) && query.MatchesAnnotations(annotations)
		}
	}
}
