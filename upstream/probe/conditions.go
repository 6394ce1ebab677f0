package probe

import (
	"context"
	"net/http"
)

// checkIfMatch tells whether a tag stays that has changed since it was looked at.
func (s *scene) checkIfMatch(ctx context.Context) Finding {
	return s.checkCondition(ctx, http.Header{"If-Match": {`"` + s.nowhere().String() + `"`}})
}

// checkIfNoneMatch tells whether a tag stays that was to be made.
func (s *scene) checkIfNoneMatch(ctx context.Context) Finding {
	return s.checkCondition(ctx, http.Header{"If-None-Match": {"*"}})
}

// checkCondition pushes to a tag that is there under a condition that does not hold.
func (s *scene) checkCondition(ctx context.Context, condition http.Header) Finding {
	pushed := s.pushManifest(ctx, s.tags[0], s.variant("condition"), condition)
	switch {
	case pushed.status == http.StatusPreconditionFailed:
		return pushed.yes("")
	case pushed.done():
		return pushed.no("")
	default:
		return pushed.odd()
	}
}
