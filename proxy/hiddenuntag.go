package proxy

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/registry"
)

// sendDelete sends a client's delete. Most registries take the tags of a
// manifest along; one that refuses to delete what is tagged has the hidden tag
// of a referrer deleted first, of which the client knows nothing: with the
// client's right, and where the tag is shown to be that.
func (p *Proxy) sendDelete(r *http.Request, target path) (*http.Response, error) {
	resp, err := p.forward(r)
	if err != nil || !refusedAsTagged(resp) || !p.hasHiddenTag(r, target) {
		return resp, err
	}
	own := registry.OwnTags{Reader: p.judgeOf(p.readerOf(r, target))}
	if err := own.DropHidden(r.Context(), target.repository, target.digest); err != nil {
		note(r, zap.NamedError("untag", err))
		return resp, nil
	}
	_ = resp.Body.Close()
	again, err := p.forward(r)
	switch {
	case err == nil && again.StatusCode == http.StatusNotFound:
		// It went with its tag.
		_ = again.Body.Close()
		return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: http.NoBody}, nil
	case err != nil || !accepted(again):
		if err := p.store.SetUnheld(detached(r), target.repository, target.digest, true); err != nil {
			note(r, zap.NamedError("unheld", err))
		}
	}
	return again, err
}

// refusedAsTagged tells whether a delete may have been refused because the
// manifest is tagged. A registry without deletes says so by another status.
func refusedAsTagged(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

// hasHiddenTag tells whether a delete is of a referrer, by its digest.
func (p *Proxy) hasHiddenTag(r *http.Request, target path) bool {
	if !p.hiddenTags.on || target.digest == "" || r.ContentLength != 0 {
		return false
	}
	record, err := p.store.Get(r.Context(), target.repository, target.digest)
	return err == nil && record.Subject() != ""
}
