package registry

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// nativeSupport remembers what is known of the upstream's own referrers API.
// One host may have several registries behind it, and one registry may answer
// 404 for a subject without referrers, so each fact is kept of no more than it
// is about.
type nativeSupport struct {
	// answering are the repositories with an answer of the API.
	answering *otter.Cache[string, struct{}]
	// lacking are those without the API, silent the subjects that it was found
	// not to know. Both are nil where each query is to ask.
	lacking *otter.Cache[string, struct{}]
	silent  *otter.Cache[manifestName, struct{}]
}

// answeringFor is how long an answer of the API shows that a repository has it.
const answeringFor = time.Hour

func newNativeSupport(recheck time.Duration, entries int) nativeSupport {
	s := nativeSupport{answering: newCache[string, struct{}](answeringFor, entries)}
	if recheck > 0 {
		s.lacking = newCache[string, struct{}](recheck, entries)
		s.silent = newCache[manifestName, struct{}](recheck, entries)
	}
	return s
}

// quiet tells whether the API need not be asked about a subject.
func (s nativeSupport) quiet(repository string, subject digest.Digest) bool {
	if s.lacking == nil {
		return false
	}
	if _, lacks := s.lacking.GetIfPresent(repository); lacks {
		return true
	}
	_, silent := s.silent.GetIfPresent(manifestName{repository, subject})
	return silent
}

// answers tells whether the API was seen to answer in a repository.
func (s nativeSupport) answers(repository string) bool {
	_, answers := s.answering.GetIfPresent(repository)
	return answers
}

func (s nativeSupport) answered(repository string) {
	s.answering.Set(repository, struct{}{})
}

func (s nativeSupport) knowsNot(repository string, subject digest.Digest) {
	if s.silent != nil {
		s.silent.Set(manifestName{repository, subject}, struct{}{})
	}
}

func (s nativeSupport) lacks(repository string) {
	if s.lacking != nil {
		s.lacking.Set(repository, struct{}{})
	}
}

// withoutNative decides what follows from an answer that is none of a referrers
// API.
func (r *Registry) withoutNative(ctx context.Context, caller *Caller, subject digest.Digest, answer error) error {
	// To a client that may not read here the API may only look missing.
	if !caller.Permitted() {
		return nil
	}
	aboutSubject := errors.Is(answer, upstream.ErrNotFound)
	if !aboutSubject && r.native.answers(caller.repository) {
		return answer
	}
	// So may a registry that has it answer where there is no such repository, or
	// to a token that has ended since the permission was remembered.
	readable, err := r.upstream.Has(ctx, caller.as, caller.repository, subject)
	if brokenManifest(err) {
		return errors.Join(errNoManifest, err)
	}
	if err != nil || !readable {
		return err
	}
	var status *upstream.StatusError
	switch {
	case aboutSubject:
		r.native.knowsNot(caller.repository, subject)
		return r.weighSilence(ctx, caller, subject)
	case errors.As(answer, &status) && status.Denied():
		// It says something of the client only.
	default:
		r.native.lacks(caller.repository)
	}
	return nil
}

// weighSilence finds that a repository lacks the API, where the upstream doesn't
// know the referrers of a subject although it has one.
func (r *Registry) weighSilence(ctx context.Context, caller *Caller, subject digest.Digest) error {
	if r.native.lacking == nil || r.native.answers(caller.repository) {
		return nil
	}
	page, err := r.store.Referrers(ctx, caller.repository, subject, index.Query{Limit: 1})
	if err != nil || len(page.Referrers) == 0 {
		return err
	}
	// What can't be asked just now is weighed another time.
	if has, err := r.upstream.Has(ctx, caller.as, caller.repository, page.Referrers[0].Digest); has && err == nil {
		r.native.lacks(caller.repository)
	}
	return nil
}
