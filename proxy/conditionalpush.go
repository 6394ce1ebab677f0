package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// tagHold is a writer's place among the writers of its tag.
type tagHold struct {
	// release lets the next writer go on. It may be called more than once.
	release func()
	// conditional says that the writer is alone, and that its condition holds
	// as long as held does not end; held is nil for others.
	conditional bool
	held        context.Context
	// instead is what the upstream is asked for instead, where the condition is
	// about what was served in place of the tag.
	instead *http.Request
}

// holdTag takes a push its place. One with a condition, which the upstream may
// not heed, gets it only if the condition holds and will until it is released:
// no other push or deletion of the tag through this process comes between, and
// no other push with a condition through any process that shares the index.
// Other pushes wait only while there is one with a condition in their process.
//
// To a client that may not pull the tag the condition can't be checked here: it
// is the upstream's alone.
//
// A push by digest moves no tag: its conditions are the upstream's alone.
func (p *Proxy) holdTag(r *http.Request, target path) (tagHold, error) {
	if target.tag == "" {
		return tagHold{release: func() {}}, nil
	}
	conditions, err := parseConditions(r.Header)
	if err != nil {
		return tagHold{}, err
	}
	name := tagName{target.repository, target.tag}
	switch {
	case conditions.given():
	case p.showsListing(target):
		// What the tag stands for decides where the push goes.
		release, err := p.tagLocks.own(r.Context(), name)
		return tagHold{release: release}, err
	default:
		release, err := p.tagLocks.share(r.Context(), name)
		return tagHold{release: release}, err
	}
	held, release, err := p.ownTag(r.Context(), name)
	if err != nil {
		return tagHold{}, err
	}
	current, err := p.resolveTag(r, target, p.credentials(r))
	switch {
	case withheld(err):
		// The upstream gets the condition too, and its answer stands.
		return tagHold{release: release, conditional: true, held: held}, nil
	case err != nil && !errors.Is(err, upstream.ErrNotFound):
	case conditions.hold(current):
		return tagHold{release: release, conditional: true, held: held}, nil
	default:
		var instead *http.Request
		if instead, err = p.holdListing(r, target, conditions); instead != nil {
			return tagHold{release: release, conditional: true, held: held, instead: instead}, nil
		}
		if err == nil {
			err = preconditionFailed()
		}
	}
	release()
	return tagHold{}, err
}

// withheld tells whether the upstream won't tell the client what it was asked,
// however often: who may push need not be one who may pull, and the question is
// ours, not the client's.
func withheld(err error) bool {
	var status *upstream.StatusError
	if !errors.As(err, &status) || errors.Is(err, upstream.ErrNotFound) {
		return false
	}
	return status.Status >= 400 && status.Status < 500 &&
		status.Status != http.StatusTooManyRequests && status.Status != http.StatusRequestTimeout
}

// preconditionFailed is the answer to a push whose condition is lost. The
// specification has no code for that; DENIED is the one for a request that is
// well formed, understood and refused, and the status says why.
func preconditionFailed() *oci.Error {
	return &oci.Error{
		Status: http.StatusPreconditionFailed, Code: oci.CodeDenied,
		Message: "the tag is not what the condition of this push asks for; read it again and repeat the change",
	}
}

// sendHeld sends a push whose condition holds, and waits for the answer even
// where the client does not: a push that was given up but goes on upstream
// could undo the one after it. It is given up on when the next could have the
// tag, which the registry need not notice: what it carries out later than
// upstream.timeouts.grace nothing can hold back.
func (p *Proxy) sendHeld(r *http.Request, push push) (*http.Response, error) {
	if push.hold.held.Err() != nil {
		return nil, tagLost()
	}
	ctx, cancel := context.WithTimeout(detached(r), p.requestTime())
	resp, err := p.sendBody(r.WithContext(ctx), push.body)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = cancelling{resp.Body, cancel}
	return resp, nil
}

// cancelling ends a context when a body is closed.
type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c cancelling) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
