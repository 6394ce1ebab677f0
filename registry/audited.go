package registry

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"
)

// audited is the [Writer] that tells the audit of deletions that the upstream has
// accepted.
type audited struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w audited) Push(ctx context.Context, push *Push) (*http.Response, error) {
	return w.next.Push(ctx, push)
}

// Delete implements [Writer].
func (w audited) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	resp, err := w.next.Delete(ctx, deletion)
	if err == nil && accepted(resp) {
		manifest := deletion.Digest
		if manifest == "" {
			manifest = deletion.tagged
		}
		w.registry.audit(ctx, AuditEvent{
			Outcome: AuditDeleted, Action: "delete", Repository: deletion.Caller.repository, Tag: deletion.Tag, Digest: manifest,
		})
	}
	return resp, err
}

// AuditBlob tells the audit that the upstream has deleted a blob for a caller.
func (r *Registry) AuditBlob(ctx context.Context, caller *Caller, blob digest.Digest) {
	r.audit(ctx, AuditEvent{
		Outcome: AuditDeleted, Action: "delete", Repository: caller.repository, Digest: blob, Reason: "it is a blob",
	})
}
