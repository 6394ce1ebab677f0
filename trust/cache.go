package trust

import (
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// How long verdicts are remembered.
const (
	// keepVerified is for those that are verified, unless they change before.
	keepVerified = time.Hour
	// keepDoubtful is for all others: a certificate may become valid.
	keepDoubtful = time.Minute
)

// question is all that a verdict of one verifier depends on beside the time.
type question struct {
	// signers are the names of those that count in the repository.
	signers string
	// subject is with its media type and size, which notation signs too.
	subject, artifact digest.Digest
	mediaType         string
	size              int64
	// tag is that of a legacy referrer.
	tag string
}

// newMemory returns a bounded memory of verdicts.
func newMemory(entries int, now func() time.Time) *otter.Cache[question, Verdict] {
	return otter.Must(&otter.Options[question, Verdict]{
		MaximumSize: entries,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[question, Verdict]) time.Duration {
			return keep(e.Value, now())
		}),
	})
}

// keep returns how long a verdict is remembered.
func keep(verdict Verdict, now time.Time) time.Duration {
	switch {
	case !verdict.Verified:
		return keepDoubtful
	case verdict.Until == nil:
		return keepVerified
	default:
		return max(time.Millisecond, min(keepVerified, verdict.Until.Sub(now)))
	}
}

// ask returns the question that an artifact poses.
func ask(signers string, subject, artifact oci.Descriptor) question {
	return question{signers, subject.Digest, artifact.Digest, subject.MediaType, subject.Size, artifact.Tag}
}
