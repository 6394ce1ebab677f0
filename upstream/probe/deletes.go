package probe

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"
)

// checkDeleteByTag tells whether a tag can be deleted by its name, and whether its
// manifest goes with it.
func (s *scene) checkDeleteByTag(ctx context.Context) Finding {
	m := s.variant("deleted by tag")
	tag := "backref-probe-" + s.Nonce + "-deleted"
	if pushed := s.pushManifest(ctx, tag, m, nil); !pushed.done() {
		return pushed.odd()
	}
	return s.checkDelete(ctx, tag, digest.FromBytes(m.bytes()).String(), "the manifest")
}

// checkDeleteByDigest tells whether a manifest with a tag can be deleted by its
// digest, and whether the tag goes with it.
func (s *scene) checkDeleteByDigest(ctx context.Context) Finding {
	m := s.variant("deleted by digest")
	tag := "backref-probe-" + s.Nonce + "-with"
	if pushed := s.pushManifest(ctx, tag, m, nil); !pushed.done() {
		return pushed.odd()
	}
	return s.checkDelete(ctx, digest.FromBytes(m.bytes()).String(), tag, "its tag")
}

// checkDeleteOfUntagged tells whether a manifest without a tag can be deleted.
func (s *scene) checkDeleteOfUntagged(ctx context.Context) Finding {
	m := s.variant("deleted without tag")
	sum := digest.FromBytes(m.bytes()).String()
	if pushed := s.pushManifest(ctx, sum, m, nil); !pushed.done() {
		return pushed.odd()
	}
	return s.checkDelete(ctx, sum, "", "")
}

// checkDelete deletes by a tag or digest. other, unless it is empty, is what may go
// with it, and called so.
func (s *scene) checkDelete(ctx context.Context, reference, other, called string) Finding {
	deleted := s.ask(ctx, s.repository, question{method: http.MethodDelete, url: manifestURL(s.repository, reference)})
	switch {
	case deleted.unclear() != "":
		return deleted.odd()
	case !deleted.done():
		return deleted.no("")
	case s.there(ctx, trace{s.repository, reference}, manifestURL(s.repository, reference)):
		return deleted.no("it is still there")
	case other == "":
		return deleted.yes("")
	case s.there(ctx, trace{s.repository, other}, manifestURL(s.repository, other)):
		return deleted.yes(called + " stays")
	default:
		return deleted.yes(called + " goes with it")
	}
}
