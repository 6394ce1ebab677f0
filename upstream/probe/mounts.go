package probe

import (
	"context"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// checkMount tells whether a blob of another repository can be had without sending
// it. The blob is one that was written for it: one of others must not be deleted
// again.
func (s *scene) checkMount(ctx context.Context) Finding {
	if s.MountFrom == "" {
		return unknown("a second repository is needed: --mount-from REPO, which is written to as well")
	}
	content := []byte("mounted by backref upstream probe: " + s.Nonce)
	sum := digest.FromBytes(content)
	if pushed := s.pushBlob(ctx, s.MountFrom, content, sum); !pushed.done() {
		f := pushed.odd()
		f.Reason = "a blob can't be written to " + s.MountFrom + ": " + f.Reason
		return f
	}
	before := s.ask(ctx, s.repository, question{method: http.MethodHead, url: blobURL(s.repository, sum)})
	if before.done() {
		return before.unknown("the registry has blobs in common for all repositories")
	}
	begun := s.ask(ctx, s.repository, question{
		method: http.MethodPost, body: []byte{},
		url: &url.URL{Path: "/v2/" + s.repository + "/blobs/uploads/", RawQuery: url.Values{"mount": {sum.String()}, "from": {s.MountFrom}}.Encode()},
	})
	switch {
	case begun.status == http.StatusCreated:
		s.traces.blob(s.repository, sum)
		return begun.yes("")
	case begun.status == http.StatusAccepted:
		if upload := s.location(begun); upload != nil {
			s.cancelUpload(ctx, s.repository, upload)
		} else {
			s.traces.uploads++
		}
		return begun.no("an upload was begun instead")
	case begun.unclear() != "":
		return begun.odd()
	default:
		return begun.no("")
	}
}
