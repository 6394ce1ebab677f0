package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Results of an event, as the metric has them.
const (
	eventRecorded   = "recorded"   // the manifest is in the index now
	eventKnown      = "known"      // it was before
	eventImported   = "imported"   // the entries of the referrers tag are too
	eventForgotten  = "forgotten"  // the manifest is in the index no more
	eventPresent    = "present"    // it was to be deleted, but the registry has it
	eventGone       = "gone"       // it was pushed, but the registry has it not
	eventUnreadable = "unreadable" // it is none that the index can hold
	eventIgnored    = "ignored"    // the event is no business of the index
	eventInvalid    = "invalid"    // the event can't be used
	eventFailed     = "failed"     // the registry will have to send it again
)

// forgetter is what a store needs beside, so that deletes count.
type forgetter interface {
	Forget(ctx context.Context, mark index.Mark, repository string, manifest digest.Digest) error
}

// Events works off what the registry tells of: what was pushed or deleted there
// past backref. They are hints only. What is recorded or forgotten is what the
// registry says when it is asked, with the service's own credentials.
type Events struct {
	registry *Registry
}

// Events returns what works off notifications, of as many envelopes at once as
// manifests are read for one question.
func (r *Registry) Events() *Events {
	return &Events{registry: r}
}

// WorkOff works off events in their order, up to the first that can't be. One
// that was begun is finished even where the registry has no more patience: the
// next try then finds it done.
func (e *Events) WorkOff(ctx context.Context, notifications []Notification) error {
	as, configured := e.registry.upstream.Service()
	if !configured {
		return oci.Unavailable(http.StatusServiceUnavailable, "backref needs credentials of its own to take events: "+
			"set upstream.service.username, or upstream.service.anonymous where anyone may read", nil)
	}
	leave, err := e.registry.envelopes.take(ctx, 1)
	if err != nil {
		return err
	}
	defer leave()
	for _, n := range notifications {
		if err := ctx.Err(); err != nil {
			return err
		}
		result, err := e.handle(context.WithoutCancel(ctx), as, n)
		if err != nil {
			result = eventFailed
		}
		e.registry.metrics.events.WithLabelValues(n.action, result).Inc()
		if err != nil {
			return fmt.Errorf("%s of %s in %s: %w", n.action, n.digest, n.repository, err)
		}
	}
	return nil
}

// handle works off one event, anew where something overtook it.
func (e *Events) handle(ctx context.Context, as upstream.Credentials, n Notification) (result string, err error) {
	if !n.concerns {
		return eventIgnored, nil
	}
	if n.err != nil {
		e.leaveOut(n, n.err)
		return eventInvalid, nil
	}
	err = UnderMark(ctx, e.registry.store, func(ctx context.Context, mark index.Mark) error {
		if n.action == actionDelete {
			result, err = e.deleted(ctx, as, mark, n)
		} else {
			result, err = e.pushed(ctx, as, mark, n)
		}
		return err
	})
	return result, err
}

// deleted forgets a manifest that the registry says it deleted, and that it
// has not when it is asked.
func (e *Events) deleted(ctx context.Context, as upstream.Credentials, mark index.Mark, n Notification) (string, error) {
	r := e.registry
	store, able := r.store.store.(forgetter)
	if !able {
		return "", errors.New("the index can't forget")
	}
	r.forget(n.repository, n.digest)
	present, err := r.upstream.Has(ctx, as, n.repository, n.digest)
	switch {
	case err != nil:
		return "", err
	case present:
		return eventPresent, nil
	}
	known, err := r.recorded(ctx, n.repository, n.digest)
	if err != nil {
		return "", err
	}
	if err := store.Forget(ctx, mark, n.repository, n.digest); err != nil {
		return "", err
	}
	if !known {
		// Most likely a blob.
		return eventIgnored, nil
	}
	return eventForgotten, nil
}

// pushed records a manifest, and what it lists where it is a referrers tag.
func (e *Events) pushed(ctx context.Context, as upstream.Credentials, mark index.Mark, n Notification) (string, error) {
	r := e.registry
	r.forgetTag(n.repository, n.tag)
	known, err := r.recorded(ctx, n.repository, n.digest)
	if err != nil {
		return "", err
	}
	lists := oci.IsReferrersTag(n.tag) && r.options.ReferrersTags
	if known && !lists {
		return eventKnown, nil
	}
	reader := r.readerAs(as)
	found, err := reader.Manifest(ctx, n.repository, n.digest.String())
	recordable := err == nil
	if lists && OutcomeOf(err) == OutcomeExcessive {
		// A list may be longer than a manifest that is recorded.
		found, err = reader.list(ctx, n.repository, n.digest.String())
	}
	switch OutcomeOf(err) {
	case OutcomeRead:
	case OutcomeGone:
		return eventGone, nil
	case OutcomeUnreadable, OutcomeExcessive, OutcomeUntyped:
		// The registry would send the event again and again.
		e.leaveOut(n, err)
		return eventUnreadable, nil
	default:
		return "", err
	}
	if recordable {
		if err := r.observe(ctx, mark, n.repository, found.Manifest); err != nil {
			return "", err
		}
	}
	if !lists {
		return eventRecorded, nil
	}
	service := NewCaller(as, Scope{Repository: n.repository})
	return eventImported, r.importList(ctx, service, n.tag, found.Manifest)
}

// leaveOut tells the operator of an event that leaves no trace in the index.
func (e *Events) leaveOut(n Notification, err error) {
	e.registry.log.Warn("event is left out", zap.String("action", n.action), zap.String("repository", n.repository),
		zap.Stringer("digest", n.digest), zap.Error(err))
}
