package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Bounds of an envelope of events.
const (
	maxEnvelope = 1 << 20
	// eventTries is how often an event is worked off anew where a push or
	// delete overtook it.
	eventTries = 5
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

// events takes the notifications of the registry: what was pushed or deleted
// there past this proxy. They are hints only. What is recorded or forgotten is
// what the registry says when it is asked, with the service's own credentials.
type events struct {
	proxy *Proxy
	// slots bounds the envelopes that are worked off at once.
	slots chan struct{}
}

// Events returns the handler of notifications, for [AdminOptions].
func (p *Proxy) Events() http.Handler {
	return &events{proxy: p, slots: make(chan struct{}, max(1, p.config.Limits.UpstreamQueries))}
}

// ServeHTTP works off an envelope. The registry sends one again until it is
// accepted, so an event that can't be worked off just now is refused together
// with those behind it, and one that never can is accepted.
func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	notifications, err := readNotifications(w, r)
	if err == nil {
		err = e.workOff(r.Context(), notifications)
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	e.proxy.log.Warn("notifications were refused", zap.String("peer", r.RemoteAddr), zap.Error(err))
	var answer *oci.Error
	if !errors.As(err, &answer) {
		// Whatever the registry said to a question of ours is not for its
		// sender of notifications to see.
		answer = oci.Unavailable(http.StatusServiceUnavailable, "an event can't be worked off just now; send it again", err)
	}
	writeError(w, answer)
}

func readNotifications(w http.ResponseWriter, r *http.Request) ([]notification, error) {
	if !notificationType(r.Header.Get("Content-Type")) {
		return nil, &oci.Error{
			Status: http.StatusUnsupportedMediaType, Code: oci.CodeUnsupported,
			Message: "send the notifications of CNCF Distribution, with their media type",
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return nil, &oci.Error{
			Status: http.StatusRequestEntityTooLarge, Code: oci.CodeSizeInvalid,
			Message: fmt.Sprintf("the envelope is larger than %d bytes", maxEnvelope),
		}
	case err != nil:
		return nil, oci.BadRequest(oci.CodeUnknown, "the envelope could not be read to its end")
	}
	notifications, err := parseNotifications(body)
	if err != nil {
		return nil, oci.BadRequest(oci.CodeUnknown, "the envelope can't be read: "+err.Error())
	}
	return notifications, nil
}

// workOff works off events in their order, up to the first that can't be. One
// that was begun is finished even where the registry has no more patience: the
// next try then finds it done.
func (e *events) workOff(ctx context.Context, notifications []notification) error {
	as, configured := e.proxy.upstream.Service()
	if !configured {
		return oci.Unavailable(http.StatusServiceUnavailable, "backref needs credentials of its own to take events: "+
			"set upstream.service.username, or upstream.service.anonymous where anyone may read", nil)
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, n := range notifications {
		if err := ctx.Err(); err != nil {
			return err
		}
		result, err := e.handle(context.WithoutCancel(ctx), as, n)
		if err != nil {
			result = eventFailed
		}
		e.proxy.metrics.events.WithLabelValues(n.action, result).Inc()
		if err != nil {
			return fmt.Errorf("%s of %s in %s: %w", n.action, n.digest, n.repository, err)
		}
	}
	return nil
}

// handle works off one event, anew where something overtook it.
func (e *events) handle(ctx context.Context, as upstream.Credentials, n notification) (result string, err error) {
	if !n.concerns {
		return eventIgnored, nil
	}
	if n.err != nil {
		e.leaveOut(n, n.err)
		return eventInvalid, nil
	}
	for range eventTries {
		if n.action == actionDelete {
			result, err = e.deleted(ctx, as, n)
		} else {
			result, err = e.pushed(ctx, as, n)
		}
		if !errors.Is(err, index.ErrStale) {
			return result, err
		}
	}
	return "", err
}

// deleted forgets a manifest that the registry says it deleted, and that it
// has not when it is asked.
func (e *events) deleted(ctx context.Context, as upstream.Credentials, n notification) (string, error) {
	p := e.proxy
	store, able := p.store.store.(forgetter)
	if !able {
		return "", errors.New("the index can't forget")
	}
	p.drop(n.repository, n.digest)
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return "", err
	}
	present, err := p.upstream.Has(ctx, as, n.repository, n.digest)
	switch {
	case err != nil:
		return "", err
	case present:
		return eventPresent, nil
	}
	known, err := p.recorded(ctx, n.repository, n.digest)
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
func (e *events) pushed(ctx context.Context, as upstream.Credentials, n notification) (string, error) {
	p := e.proxy
	p.tagKinds.forget(n.repository, n.tag)
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return "", err
	}
	known, err := p.recorded(ctx, n.repository, n.digest)
	if err != nil {
		return "", err
	}
	lists := oci.IsReferrersTag(n.tag) && p.config.Referrers.FallbackTags != config.FallbackOff
	if known && !lists {
		return eventKnown, nil
	}
	fetched, err := p.upstream.Manifest(ctx, as, n.repository, n.digest.String(), int64(p.config.Limits.ManifestSize))
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return eventGone, nil
	case errors.Is(err, upstream.ErrInvalid):
		e.leaveOut(n, err)
		return eventUnreadable, nil
	case err != nil:
		return "", err
	}
	manifest, err := p.manifestLimits().ParseServed(fetched.MediaType, n.digest.Algorithm(), fetched.Body)
	if err != nil {
		e.leaveOut(n, err)
		return eventUnreadable, nil
	}
	record := index.Record{Repository: n.repository, Manifest: manifest, Seen: p.now()}
	if err := p.store.Observe(ctx, mark, record); err != nil {
		return "", err
	}
	if !lists {
		return eventRecorded, nil
	}
	service := &reader{as: as, repository: n.repository}
	return eventImported, p.importList(ctx, service, n.tag, manifest)
}

// leaveOut tells the operator of an event that leaves no trace in the index.
func (e *events) leaveOut(n notification, err error) {
	e.proxy.log.Warn("event is left out", zap.String("action", n.action), zap.String("repository", n.repository),
		zap.Stringer("digest", n.digest), zap.Error(err))
}
