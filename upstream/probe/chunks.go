package probe

import (
	"context"
	"net/http"
)

// checkChunkOrder tells whether the registry refuses a chunk that does not begin where
// the one before has ended.
func (s *scene) checkChunkOrder(ctx context.Context) Finding {
	begun, upload := s.beginUpload(ctx, s.repository)
	if upload == nil {
		return begun.odd()
	}
	chunk := func(within string) exchange {
		return s.ask(ctx, s.repository, question{
			method: http.MethodPatch, url: upload, body: []byte("0123456789"), shown: shownUpload(s.repository),
			header: http.Header{"Content-Range": {within}, "Content-Type": {"application/octet-stream"}},
		})
	}
	sent := chunk("0-9")
	if next := s.location(sent); next != nil {
		upload = next
	}
	if !sent.done() {
		s.cancelUpload(ctx, s.repository, upload)
		return sent.odd()
	}
	sent = chunk("20-29")
	if next := s.location(sent); next != nil && sent.done() {
		upload = next
	}
	s.cancelUpload(ctx, s.repository, upload)
	switch {
	case sent.status == http.StatusRequestedRangeNotSatisfiable:
		return sent.yes("")
	case sent.done():
		return sent.no("")
	default:
		return sent.odd()
	}
}
