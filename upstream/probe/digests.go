package probe

import (
	"bytes"
	"context"
	"crypto/sha512"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

func sha512Of(content []byte) digest.Digest {
	sum := sha512.Sum512(content)
	return digest.NewDigestFromBytes(digest.SHA512, sum[:])
}

// checkManifestSHA512 tells whether a manifest is kept under its digest by sha512.
func (s *scene) checkManifestSHA512(ctx context.Context) Finding {
	m := s.variant("sha512")
	sum := sha512Of(m.bytes())
	return s.keptUnder(ctx, s.pushManifest(ctx, sum.String(), m, nil), manifestURL(s.repository, sum.String()), m.bytes())
}

// checkBlobSHA512 tells whether a blob is kept under its digest by sha512.
func (s *scene) checkBlobSHA512(ctx context.Context) Finding {
	content := []byte("sha512, by backref upstream probe: " + s.Nonce)
	sum := sha512Of(content)
	return s.keptUnder(ctx, s.pushBlob(ctx, s.repository, content, sum), blobURL(s.repository, sum), content)
}

// calledElse says by which other algorithm an answer names what was asked for by
// sha512; empty where it does not.
func calledElse(read exchange) string {
	named := digest.Digest(read.header.Get("Docker-Content-Digest"))
	if named.Validate() != nil || named.Algorithm() == digest.SHA512 {
		return ""
	}
	return "Docker-Content-Digest names " + named.Algorithm().String()
}

// keptUnder judges by what there is after a push.
func (s *scene) keptUnder(ctx context.Context, pushed exchange, at *url.URL, content []byte) Finding {
	switch {
	case pushed.unclear() != "":
		return pushed.odd()
	case !pushed.done():
		return pushed.no("")
	}
	read := s.ask(ctx, s.repository, question{method: http.MethodGet, url: at, header: http.Header{"Accept": {acceptManifests}}})
	switch {
	case read.unclear() != "":
		return read.odd()
	case read.status == http.StatusOK && read.whole() && bytes.Equal(read.body, content):
		return read.yes(calledElse(read))
	case read.status == http.StatusOK:
		return read.no("another content than was pushed")
	default:
		return read.no("the push was answered " + pushed.text())
	}
}
