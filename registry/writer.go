package registry

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
)

// Writer pushes and deletes manifests. Each behaviour is a Writer around another,
// in a file of its own, and names both methods, so that none slips past what is
// added later. The outermost is [Registry.Writer]; from there:
//
//	rules       rules.go       what the rules don't allow is refused
//	artifacts   artifacts.go   what may not be here because of its type is refused
//	conditions  conditional.go conditions hold, and writers of a tag take turns
//	locked      locked.go      locked tags, and what they hold, stay
//	cascade     cascade.go     referrers go with a manifest, if that is asked for
//	replacing   replace.go     a referrer takes the place of others
//	listings    listings.go    what was served in place of a tag can be deleted
//	intents     intents.go     what is pushed or deleted is listed, or is not
//	audited     audited.go     deletions are told the audit
//	images      images.go      a list of referrers takes no image's tag away
//	hidden      hiddentag.go   a referrer gets, and loses, its hidden tag
//	sender      writer.go      the upstream
//
// The answer is the upstream's, whose body is to be closed. An error says that
// there is none: an [*oci.Error] where the upstream was not asked, else that of
// the upstream or the index. What a Writer does on the way it does also where ctx
// ends meanwhile.
type Writer interface {
	Push(ctx context.Context, push *Push) (*http.Response, error)
	Delete(ctx context.Context, deletion *Deletion) (*http.Response, error)
}

// Writer returns the writer that has all behaviours.
func (r *Registry) Writer() Writer {
	var w Writer = sender{r}
	w = hidden{r, w}
	w = images{r, w}
	w = audited{r, w}
	w = intents{r, w}
	w = listings{r, w}
	w = replacing{r, w}
	w = cascade{r, w}
	w = locked{r, w}
	w = conditions{r, w}
	w = artifacts{r, w}
	return rules{r, w}
}

// Push is a manifest on its way in (end-7). A Writer that has the next one push
// something else changes a copy.
type Push struct {
	Caller *Caller
	Reference
	Body []byte
	// Manifest is what the body was read as. Known is false where it could not be
	// read: then it is left to the upstream to judge.
	Manifest index.Manifest
	Known    bool
	// By is who the caller is to the rules about artifact types.
	By policy.Requester
	// Replaces are the referrers whose place it takes.
	Replaces []digest.Digest
	// Header and RawQuery are what the caller asked with.
	Header   http.Header
	RawQuery string
	// Send sends the manifest to the upstream, as the caller asked for it.
	Send func(ctx context.Context, out Outgoing) (*http.Response, error)

	turn tagTurn
}

// record is what the index keeps of a push.
func (r *Registry) recordOf(push *Push) index.Record {
	return index.Record{Repository: push.Caller.repository, Manifest: push.Manifest, Seen: r.now()}
}

// Outgoing is a manifest as it is sent: to a reference, which need not be the one
// that the caller gave, with headers and a query.
type Outgoing struct {
	Reference string
	Header    http.Header
	RawQuery  string
	Body      []byte
}

// Reader returns the body from its start. It may be called again.
func (o Outgoing) Reader() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(o.Body)), nil
}

// Deletion is the delete of a manifest by its digest, or of a tag (end-9).
type Deletion struct {
	Caller *Caller
	Reference
	// Repeatable says that the delete has no body, so that it can be sent again.
	Repeatable bool
	// Cascade says what becomes of the referrers.
	Cascade Cascade
	// Send sends the delete to the upstream, as the caller asked for it.
	Send func(ctx context.Context) (*http.Response, error)

	// tagged is the manifest that a tag is known to have stood for; else empty.
	tagged digest.Digest
}

// sender is the innermost Writer: the upstream.
type sender struct {
	registry *Registry
}

// Push implements [Writer]. With the answer the tag is free for its next writer.
func (s sender) Push(ctx context.Context, push *Push) (*http.Response, error) {
	defer push.turn.release()
	if push.turn.conditional {
		return s.registry.sendInTurn(ctx, push)
	}
	return push.send(ctx)
}

// Delete implements [Writer].
func (s sender) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	return deletion.Send(ctx)
}

func (p *Push) send(ctx context.Context) (*http.Response, error) {
	header := p.Header
	if p.turn.instead != nil {
		header = p.turn.instead
	}
	return p.Send(ctx, Outgoing{Reference: p.String(), Header: header, RawQuery: p.RawQuery, Body: p.Body})
}

// accepted tells whether the upstream carried the request out.
func accepted(resp *http.Response) bool {
	return resp.StatusCode >= 200 && resp.StatusCode < 300
}

// refused tells whether the upstream certainly did not carry the request out.
func refused(resp *http.Response) bool { return refusedBy(resp.StatusCode) }

// refusedBy is refused by the status.
func refusedBy(status int) bool {
	return status >= 300 && status < 500 && status != http.StatusRequestTimeout
}
