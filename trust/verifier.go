package trust

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/semaphore"

	"github.com/backref/backref/oci"
)

// Verifier judges signatures by the signers that it was made with. It may be used
// concurrently. A changed configuration is another Verifier.
type Verifier struct {
	options Options
	signers []*signer
	turns   *semaphore.Weighted
	memory  *otter.Cache[question, Verdict]
}

// New returns a verifier. It fails where a signer can't be read; the error names it.
func New(o Options) (*Verifier, error) {
	o = o.filled()
	v := &Verifier{options: o, turns: semaphore.NewWeighted(int64(o.Concurrency)), memory: newMemory(o.CacheEntries, o.Now)}
	names := map[string]bool{}
	var errs []error
	for _, s := range o.Signers {
		if names[s.Name] {
			errs = append(errs, fmt.Errorf("signer %s: there are two of this name", s.Name))
		}
		names[s.Name] = true
		made, err := newSigner(o, s)
		errs = append(errs, err)
		v.signers = append(v.signers, made)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return v, nil
}

// SignersOf returns the names of the signers that count in a repository, in the
// order of the configuration.
func (v *Verifier) SignersOf(repository string) []string {
	var names []string
	for _, s := range v.signersOf(repository) {
		names = append(names, s.name)
	}
	return names
}

// Has tells whether there is a signer of a name, in whatever repositories.
func (v *Verifier) Has(name string) bool {
	for _, s := range v.signers {
		if s.name == name {
			return true
		}
	}
	return false
}

func (v *Verifier) signersOf(repository string) []*signer {
	var counting []*signer
	for _, s := range v.signers {
		if s.countsIn(repository) {
			counting = append(counting, s)
		}
	}
	return counting
}

// Judge says what an artifact of a repository claims about a subject, and what of it
// is verified. artifact is as a listing has it: its digest, and of a legacy referrer
// its tag. subject is what was asked about: its digest; media type and size are read
// where they are not given. It waits for its turn.
//
// An error says that something could not be read, [ErrContent] that it was other
// content than its digest names; then nothing is known either way, and nothing is
// remembered.
func (v *Verifier) Judge(ctx context.Context, src Source, repository string, subject, artifact oci.Descriptor) (Verdict, error) {
	by := v.signersOf(repository)
	asked := ask(strings.Join(v.SignersOf(repository), "\x00"), subject, artifact)
	if known, ok := v.memory.GetIfPresent(asked); ok {
		return known.clone(), nil
	}
	if err := v.turns.Acquire(ctx, 1); err != nil {
		return Verdict{}, err
	}
	defer v.turns.Release(1)
	verdict, err := (&judgement{Verifier: v, src: src, by: by, subject: subject}).of(ctx, artifact)
	if err != nil {
		return Verdict{}, fmt.Errorf("judge %s of %s in %s: %w", artifact.Digest, subject.Digest, repository, err)
	}
	v.memory.Set(asked, verdict)
	return verdict.clone(), nil
}

// judgement is one artifact that is judged.
type judgement struct {
	*Verifier
	src     Source
	by      []*signer
	subject oci.Descriptor
	// body is that of the subject's manifest, once it was needed.
	body []byte
}

// of judges an artifact, whose manifest is read first.
func (j *judgement) of(ctx context.Context, listed oci.Descriptor) (Verdict, error) {
	_, body, err := readManifest(ctx, j.src, listed.Digest)
	if err != nil {
		return Verdict{}, err
	}
	a, held, err := parseArtifact(body)
	if err != nil || len(held) == 0 {
		return Verdict{}, nil //nolint:nilerr // What is no manifest that can be read is no signature.
	}
	reason := a.misplaced(listed, j.subject.Digest)
	placed := reason == nil
	proofs := map[*signer]proof{}
	verdict := Verdict{Signature: true}
	for i, l := range held {
		if i == maxSignatures {
			reason = reason.heavier(&doubt{fmt.Sprintf("it has more than %d signatures, and none of the first %d counts", maxSignatures, maxSignatures), weightClose})
			break
		}
		read, doubted, err := j.read(ctx, l)
		switch {
		case err != nil:
			return Verdict{}, err
		case doubted != nil:
			reason = reason.heavier(doubted)
			continue
		}
		verdict.Claims = append(verdict.Claims, read.claimed())
		if placed {
			reason = reason.heavier(j.prove(ctx, read, proofs, &verdict))
		}
	}
	j.conclude(&verdict, proofs, reason)
	return verdict, nil
}

// prove asks each signer about a signature, keeps the proofs and what it is that they
// prove, and returns the doubt of those who have none.
func (j *judgement) prove(ctx context.Context, read statement, proofs map[*signer]proof, verdict *Verdict) *doubt {
	doubted := guarded(func() (proof, *doubt) { return proof{}, read.elsewhere(j.subject.Digest) })
	if doubted.doubt != nil {
		return doubted.doubt
	}
	var reason *doubt
	for _, s := range j.by {
		found := guarded(func() (proof, *doubt) { return read.provedBy(ctx, s, j.subject) })
		if found.doubt != nil {
			reason = reason.heavier(found.doubt)
			continue
		}
		verdict.Proven = append(verdict.Proven, Proven{s.name, read.claimed().Predicate})
		if before, ok := proofs[s]; !ok || found.proof.outlasts(before) {
			proofs[s] = found.proof
		}
	}
	return reason
}

// conclude says what follows of the proofs and doubts of all signatures.
func (j *judgement) conclude(verdict *Verdict, proofs map[*signer]proof, reason *doubt) {
	var until time.Time
	for _, s := range j.by {
		found, ok := proofs[s]
		if !ok {
			continue
		}
		verdict.Verified, verdict.By = true, append(verdict.By, s.name)
		if !found.until.IsZero() && (until.IsZero() || found.until.Before(until)) {
			until = found.until
		}
	}
	switch {
	case verdict.Verified && !until.IsZero():
		verdict.Until = &until
	case verdict.Verified:
	case reason != nil:
		verdict.Reason = reason.reason
	default:
		verdict.Reason = "no signer is configured for this repository"
	}
}

// proof is that a signer made a signature about the subject.
type proof struct {
	// until is when it ends, by a certificate that expires; zero for never.
	until time.Time
}

// outlasts tells whether a proof holds longer than another.
func (p proof) outlasts(other proof) bool {
	return !other.until.IsZero() && (p.until.IsZero() || p.until.After(other.until))
}

// found is what came of looking at a signature.
type found struct {
	proof proof
	doubt *doubt
}

// guarded looks at a signature. Signatures are anyone's bytes, and what reads their
// certificates and log entries is large: a fault in it is a doubt about one
// signature, and not the end of the process.
func guarded(look func() (proof, *doubt)) (result found) {
	defer func() {
		if recover() != nil {
			result = found{doubt: &doubt{"the signature can't be read: what reads it failed", weightUnreadable}}
		}
	}()
	result.proof, result.doubt = look()
	return result
}
