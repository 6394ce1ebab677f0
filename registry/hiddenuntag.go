package registry

import (
	"context"
	"net/http"

	"go.uber.org/zap"
)

// Delete implements [Writer]. Most registries take the tags of a
// manifest along; one that refuses to delete what is tagged has the hidden tag
// of a referrer deleted first, of which the client knows nothing: with the
// client's right, and where the tag is shown to be that.
func (w hidden) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	r, caller := w.registry, deletion.Caller
	resp, err := w.next.Delete(ctx, deletion)
	if err != nil || !refusedAsTagged(resp) || !r.hasHiddenTag(ctx, deletion) {
		return resp, err
	}
	own := OwnTags{Reader: r.reader(caller)}
	if err := own.DropHidden(ctx, caller.repository, deletion.Digest); err != nil {
		Note(ctx, zap.NamedError("untag", err))
		return resp, nil
	}
	_ = resp.Body.Close()
	again, err := w.next.Delete(ctx, deletion)
	switch {
	case err == nil && again.StatusCode == http.StatusNotFound:
		// It went with its tag.
		_ = again.Body.Close()
		return deleted(), nil
	case err != nil || !accepted(again):
		if err := r.store.SetUnheld(context.WithoutCancel(ctx), caller.repository, deletion.Digest, true); err != nil {
			Note(ctx, zap.NamedError("unheld", err))
		}
	}
	return again, err
}

// refusedAsTagged tells whether a delete may have been refused because the
// manifest is tagged. A registry without deletes says so by another status.
func refusedAsTagged(resp *http.Response) bool { return refusesTagged(resp.StatusCode) }

// refusesTagged is refusedAsTagged by the status.
func refusesTagged(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

// hasHiddenTag tells whether a delete is of a referrer, by its digest.
func (r *Registry) hasHiddenTag(ctx context.Context, deletion *Deletion) bool {
	if !r.hidden.on || deletion.Digest == "" || !deletion.Repeatable {
		return false
	}
	record, err := r.store.Get(ctx, deletion.Caller.repository, deletion.Digest)
	return err == nil && record.Subject() != ""
}
