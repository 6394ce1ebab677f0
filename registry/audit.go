package registry

import (
	"context"

	"github.com/opencontainers/go-digest"
)

// The outcomes of an [AuditEvent].
const (
	// AuditDenied is what a rule did not let happen.
	AuditDenied = "denied"
	// AuditDeleted is what was deleted in the upstream.
	AuditDeleted = "deleted"
)

// AuditEvent is something that somebody has to answer for: a denial or a deletion.
// Who asked, and the identifier of the request, come from the context. It holds no
// credentials.
type AuditEvent struct {
	// Outcome is [AuditDenied] or [AuditDeleted].
	Outcome string
	// Action is what was asked for: "push", "pull", "delete", "replace", "retain".
	Action     string
	Repository string
	// Tag and Digest are what it was about, as far as that is known.
	Tag    string
	Digest digest.Digest
	// Rule is the name of the rule that decided; empty where the caller did.
	Rule string
	// Reason says more, for people; may be empty.
	Reason string
}

// Audit hands an event to who keeps it, unless it is a further denial of the same
// request. It never waits for a medium.
func (r *Registry) Audit(ctx context.Context, event AuditEvent) { r.audit(ctx, event) }

// Forget drops what is kept of a manifest that is about to be deleted, or was.
func (r *Registry) Forget(repository string, manifest digest.Digest) { r.forget(repository, manifest) }

func (r *Registry) audit(ctx context.Context, event AuditEvent) {
	if r.options.Audit == nil {
		return
	}
	if event.Outcome == AuditDenied {
		if request, ok := ctx.Value(RequestKey{}).(interface{ DenyOnce() bool }); ok && !request.DenyOnce() {
			return
		}
	}
	r.options.Audit(ctx, event)
}
