package config

import (
	"errors"
	"fmt"
	"time"
)

// Retention configures which referrers stay, and which are deleted.
type Retention struct {
	Rules     []RetentionRule `key:"rules" doc:"What becomes of referrers: each rule keeps some of those that it selects, and removes the rest, unless a tag, an index, another rule or a referrer that stays holds them. See lifecycle.md." reload:"true"`
	Interval  time.Duration   `key:"interval" doc:"How often the rules are carried out by themselves, by one replica; it needs upstream.service. 0 leaves it to backref retain." reload:"true"`
	Rate      int             `key:"rate" doc:"The most deletes a second." reload:"true"`
	MaxPerRun int             `key:"maxPerRun" doc:"The most referrers that a run deletes. Where the rules ask for more, a scheduled run fails before it deletes anything, and backref retain asks for --yes." reload:"true"`
}

// RetentionRule says what becomes of the referrers that it selects.
type RetentionRule struct {
	Name           string        `key:"name" doc:"The rule's name, by which decisions are told." required:"true"`
	Repositories   []string      `key:"repositories" doc:"Repositories, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	ArtifactTypes  []string      `key:"artifactTypes" doc:"Artifact types of the referrers that the rule is about, as patterns: * stands for any characters, ? for one. All where none is given."`
	Annotations    []string      `key:"annotations" doc:"Filters of annotations, all of which have to match, as queries have them: KEY, or KEY with =, !=, <, <=, > or >= and a value, compared as a time, number or version. Behind <, <=, > and >= the value may be now, now-720h or now+24h."`
	SubjectGoneFor time.Duration `key:"subjectGoneFor" doc:"The rule is only about referrers whose subject has been gone from the registry for longer."`
	Keep           RetentionKeep `key:"keep" doc:"What the rule keeps of the referrers that it is about. What is not kept is removed. Without subjectGoneFor one key has to be given."`
}

// RetentionKeep is what a rule keeps.
type RetentionKeep struct {
	Newest      int           `key:"newest" doc:"How many are kept of those with one subject and artifact type, the newest first."`
	YoungerThan time.Duration `key:"youngerThan" doc:"What was made less than that ago is kept: by its annotation org.opencontainers.image.created, else by when the index first saw it."`
	All         bool          `key:"all" doc:"All are kept, whatever other rules say."`
	None        bool          `key:"none" doc:"None is kept: the rule removes all that it is about."`
}

// validateRetention checks what can be told of rules without reading their patterns.
func validateRetention(cfg *Config, check func(path string, err error)) {
	retention := cfg.Retention
	for i, rule := range retention.Rules {
		if err := checkRetentionRule(rule); err != nil {
			check(fmt.Sprintf("retention.rules[%d]", i), err)
		}
	}
	if retention.Interval > 0 && !cfg.Upstream.Service.Configured() {
		check("retention.interval", errors.New("needs upstream.service, to read and delete with"))
	}
}

func checkRetentionRule(rule RetentionRule) error {
	keep := rule.Keep
	given := 0
	for _, is := range []bool{keep.All, keep.None, keep.Newest != 0 || keep.YoungerThan != 0} {
		if is {
			given++
		}
	}
	switch {
	case rule.Name == "":
		return errors.New("needs a name")
	case len(rule.Repositories) == 0:
		return errors.New("names no repositories")
	case keep.Newest < 0 || keep.YoungerThan < 0 || rule.SubjectGoneFor < 0:
		return errors.New("must not have a negative number")
	case rule.SubjectGoneFor > maxDuration || keep.YoungerThan > 10*maxDuration:
		return errors.New("has a duration that is too long: subjectGoneFor may be a year, keep.youngerThan ten")
	case given > 1:
		return errors.New("keep.all and keep.none stand alone")
	case given == 0 && rule.SubjectGoneFor == 0:
		return errors.New("says not what it keeps: give keep.newest, keep.youngerThan, keep.all or keep.none")
	}
	return nil
}
