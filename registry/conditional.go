package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/upstream"
)

// conditions is the [Writer] by which the conditions of a push hold although the
// upstream may ignore them, and by which writers of one tag take turns where one
// of them has a condition, or the tag is locked.
type conditions struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w conditions) Push(ctx context.Context, push *Push) (*http.Response, error) {
	turn, err := w.registry.takeTurn(ctx, push)
	if err != nil {
		return nil, err
	}
	defer turn.release()
	push.turn = turn
	return w.next.Push(ctx, push)
}

// Delete implements [Writer].
func (w conditions) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	if deletion.Tag == "" {
		return w.next.Delete(ctx, deletion)
	}
	take := w.registry.tagLocks.shared
	if policies := w.registry.Policies(); !policies.DeletesTagsAlone {
		if _, in := policies.Locks.In(deletion.Caller.repository, w.registry.now()); in {
			// What the tag stands for decides whether it goes.
			take = w.registry.tagLocks.exclusive
		}
	}
	release, err := take(ctx, tagName{deletion.Caller.repository, deletion.Tag})
	if err != nil {
		return nil, err
	}
	defer release()
	return w.next.Delete(ctx, deletion)
}

// tagTurn is a writer's turn among the writers of its tag.
type tagTurn struct {
	// release lets the next writer go on. It may be called more than once.
	release func()
	// conditional says that the writer is alone, and that its condition holds
	// as long as nothing of held ends; others hold nothing.
	conditional bool
	held        heldParts
	// instead is the header that the upstream is sent instead, where the condition
	// is about what was served in place of the tag.
	instead http.Header
	// lock is the rule that locks the tag: then the writer owns the tag, and held
	// is set, whether or not it has a condition.
	lock policy.Decision
}

// takeTurn has a push wait for its turn. One with a condition, which the upstream may
// not heed, gets it only if the condition holds and will until it is released:
// no other push or deletion of the tag through this process comes between, and
// no other push with a condition through any process that shares the index.
// Other pushes wait only while there is one with a condition in their process,
// but for those to a locked tag, which own it as one with a condition does.
//
// To a client that may not pull the tag the condition can't be checked here: it
// is the upstream's alone.
//
// A push by digest moves no tag: its conditions are the upstream's alone.
func (r *Registry) takeTurn(ctx context.Context, push *Push) (tagTurn, error) {
	if push.Tag == "" {
		return tagTurn{release: func() {}}, nil
	}
	conditions, err := parseConditions(push.Header)
	if err != nil {
		return tagTurn{}, err
	}
	name := tagName{push.Caller.repository, push.Tag}
	lock := r.Policies().Locks.Decide(name.repository, name.tag, r.now())
	switch {
	case conditions.given():
		turn, err := r.takeConditionalTurn(ctx, push, conditions)
		turn.lock = lock
		return turn, err
	case lock.Denied:
		held, release, err := r.lockTag(ctx, name)
		return tagTurn{release: release, held: heldParts{held}, lock: lock}, err
	case r.ShowsListing(push.Tag):
		// What the tag stands for decides where the push goes.
		release, err := r.tagLocks.exclusive(ctx, name)
		return tagTurn{release: release}, err
	default:
		release, err := r.tagLocks.shared(ctx, name)
		return tagTurn{release: release}, err
	}
}

// takeConditionalTurn is [Registry.takeTurn] for a push with a condition.
func (r *Registry) takeConditionalTurn(ctx context.Context, push *Push, conditions preconditions) (tagTurn, error) {
	held, release, err := r.lockTag(ctx, tagName{push.Caller.repository, push.Tag})
	if err != nil {
		return tagTurn{}, err
	}
	current, err := r.reader(push.Caller).Resolve(ctx, push.Caller.repository, push.Tag)
	switch {
	case withheld(err):
		// The upstream gets the condition too, and its answer stands.
		return tagTurn{release: release, conditional: true, held: heldParts{held}}, nil
	case err != nil && !errors.Is(err, upstream.ErrNotFound):
	case conditions.hold(current):
		return tagTurn{release: release, conditional: true, held: heldParts{held}}, nil
	default:
		var instead http.Header
		if instead, err = r.meetByListing(ctx, push, conditions); instead != nil {
			return tagTurn{release: release, conditional: true, held: heldParts{held}, instead: instead}, nil
		}
		if err == nil {
			err = preconditionFailed()
		}
	}
	release()
	return tagTurn{}, err
}

// meetByListing finds out whether a condition that the upstream's tag doesn't meet
// is met by what was served in its place: the listing as it is now. It returns
// the header with the condition that the upstream is to be asked for then, else nil.
func (r *Registry) meetByListing(ctx context.Context, push *Push, conditions preconditions) (http.Header, error) {
	if !r.ShowsListing(push.Tag) || conditions.match == nil || conditions.match.any {
		return nil, nil
	}
	found, err := r.StandingOf(ctx, push.Caller, push.Tag)
	switch {
	case errors.Is(err, upstream.ErrInvalid):
		// Nothing was served in place of what can't be told.
		return nil, nil
	case err != nil || found.other():
		return nil, err
	}
	shown, err := r.ListingUnder(ctx, push.Caller, push.Tag, found)
	if err != nil || shown.Body == nil || !conditions.hold(shown.Digest) {
		return nil, err
	}
	held := push.Header.Clone()
	held.Del("If-Match")
	held.Del("If-None-Match")
	if found.digest == "" {
		held.Set("If-None-Match", "*")
	} else {
		held.Set("If-Match", strconv.Quote(found.digest.String()))
	}
	return held, nil
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

// sendInTurn sends a push whose condition holds, or whose tag is locked.
func (r *Registry) sendInTurn(ctx context.Context, push *Push) (*http.Response, error) {
	return r.sendHeld(ctx, push.turn.held, push.send)
}

// sendHeld sends what only who holds something may send, as long as that is held,
// and waits for the answer even where the client does not: what was given up but
// goes on upstream could undo what comes after it. It is given up on when the next
// could have what is held, which the registry need not notice: what it carries out
// later than upstream.timeouts.grace nothing can hold back.
func (r *Registry) sendHeld(ctx context.Context, held heldParts, send func(context.Context) (*http.Response, error)) (*http.Response, error) {
	if held.lost() {
		return nil, tagLost()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.RequestTime)
	resp, err := send(ctx)
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
