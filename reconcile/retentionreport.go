package reconcile

import (
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/policy"
)

// What becomes of a referrer.
const (
	// RetainedKept stays.
	RetainedKept = "keep"
	// RetainedGoing is to be deleted, by a dry run's word.
	RetainedGoing = "remove"
	// RetainedRemoved was deleted.
	RetainedRemoved = "removed"
	// RetainedSpared was to be deleted, and was left alone since something came to
	// hold it meanwhile, or may have: the next run looks again.
	RetainedSpared = "spared"
	// RetainedFailed was to be deleted and could not be.
	RetainedFailed = "failed"
)

// Retained is what was decided over a referrer that a rule is about, and what came
// of that.
type Retained struct {
	Decision     string        `json:"decision"`
	Repository   string        `json:"repository"`
	Digest       digest.Digest `json:"digest"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Subject      digest.Digest `json:"subject"`
	// Made is what its age was told by.
	Made time.Time `json:"made"`
	// Rule decided; it is empty where something else than a rule holds the referrer.
	Rule string `json:"rule,omitempty"`
	// Reason says why, in words that follow "because".
	Reason string `json:"reason"`
	// Error is why it could not be deleted, or was spared.
	Error string `json:"error,omitempty"`
}

func retained(repository, decision string, d policy.RetentionDecision) Retained {
	return Retained{
		Decision: decision, Repository: repository, Digest: d.Digest, ArtifactType: d.ArtifactType, Subject: d.Subject, Made: d.Made,
		Rule: d.Rule, Reason: d.Reason,
	}
}

// RetentionReport is the result of a run.
type RetentionReport struct {
	DryRun bool `json:"dryRun,omitempty"`
	// Run names the run in the journal; empty for a dry run.
	Run string `json:"run,omitempty"`
	// Repositories are those that rules are about.
	Repositories int `json:"repositories"`
	// Kept and Going are the referrers that were decided to stay and to go, of those
	// that rules are about.
	Kept  int `json:"kept"`
	Going int `json:"going"`
	// Removed were deleted, Spared left alone since something changed meanwhile.
	Removed int `json:"removed"`
	Spared  int `json:"spared,omitempty"`
	// Failed counts the repositories that could not be read, and the referrers that
	// could not be deleted. Failures are the first.
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"`
	// Resumed says that an earlier run was gone on with.
	Resumed bool    `json:"resumed,omitempty"`
	Seconds float64 `json:"seconds"`
}

// fields are the numbers of a report as the log has them.
func (r RetentionReport) fields() []zap.Field {
	return []zap.Field{
		zap.String("run", r.Run), zap.Int("repositories", r.Repositories), zap.Int("kept", r.Kept), zap.Int("going", r.Going),
		zap.Int("removed", r.Removed), zap.Int("spared", r.Spared), zap.Int("failed", r.Failed), zap.Bool("resumed", r.Resumed),
	}
}

// miss notes what could not be read or deleted.
func (r *RetentionReport) miss(repository, reference string, err error) {
	r.Failed++
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, Failure{repository, reference, err.Error()})
	}
}
