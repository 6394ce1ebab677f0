package probe

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// pushManifest writes a manifest under a tag or digest; header may hold conditions.
// What may have come of it is removed in the end.
func (s *scene) pushManifest(ctx context.Context, reference string, m manifest, header http.Header) exchange {
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", m.MediaType)
	body := m.bytes()
	pushed := s.ask(ctx, s.repository, question{method: http.MethodPut, url: manifestURL(s.repository, reference), header: header, body: body})
	if pushed.refused() {
		return pushed
	}
	s.traces.manifest(s.repository, digest.FromBytes(body))
	if reference != digest.FromBytes(body).String() {
		s.traces.reference(s.repository, reference)
	}
	return pushed
}

// pushBlob writes a blob under a digest, in one request behind the one that begins.
// What may have come of it is removed in the end. The exchange is the last.
func (s *scene) pushBlob(ctx context.Context, repository string, content []byte, as digest.Digest) exchange {
	begun, upload := s.beginUpload(ctx, repository)
	if upload == nil {
		return begun
	}
	pushed := s.ask(ctx, repository, question{
		method: http.MethodPut, url: withDigest(upload, as), header: http.Header{"Content-Type": {"application/octet-stream"}}, body: content,
		shown: shownUpload(repository) + "?digest=" + as.String(),
	})
	if pushed.refused() {
		s.cancelUpload(ctx, repository, upload)
		return pushed
	}
	s.traces.blob(repository, digest.FromBytes(content))
	s.traces.blob(repository, as)
	return pushed
}

// errElsewhere means that an upload goes to another host than the registry.
var errElsewhere = errors.New("uploads go to another place than the registry")

// beginUpload begins an upload. Without one the exchange says why, and is not done.
func (s *scene) beginUpload(ctx context.Context, repository string) (begun exchange, upload *url.URL) {
	begun = s.ask(ctx, repository, question{method: http.MethodPost, url: &url.URL{Path: "/v2/" + repository + "/blobs/uploads/"}, body: []byte{}})
	if begun.status != http.StatusAccepted {
		if begun.done() {
			begun.err = errors.New("no upload was begun")
		}
		return begun, nil
	}
	if upload = s.location(begun); upload == nil {
		begun.err = errElsewhere
	}
	return begun, upload
}

// location returns where an answer leads, as a client of the registry writes it; nil
// where that is nowhere, or elsewhere.
func (s *scene) location(e exchange) *url.URL {
	to, err := url.Parse(e.header.Get("Location"))
	if err != nil || e.header.Get("Location") == "" {
		return nil
	}
	if to.Scheme == "" && to.Host == "" {
		to = e.url.ResolveReference(to)
	}
	if path, below := s.registry.ClientPath(to); below {
		return path
	}
	if to.Scheme == "" && to.Host == "" {
		return to
	}
	return nil
}

// cancelUpload ends an upload. One that can't be ended the registry drops by itself
// some time.
func (s *scene) cancelUpload(ctx context.Context, repository string, upload *url.URL) {
	cancelled := s.ask(ctx, repository, question{method: http.MethodDelete, url: upload})
	if !cancelled.done() && cancelled.status != http.StatusNotFound {
		s.traces.uploads++
	}
}

func withDigest(upload *url.URL, as digest.Digest) *url.URL {
	target := *upload
	query := target.Query()
	query.Set("digest", as.String())
	target.RawQuery = query.Encode()
	return &target
}

// shownUpload stands for the URL of an upload, which differs each time and may hold
// what gives a right to it.
func shownUpload(repository string) string { return "/v2/" + repository + "/blobs/uploads/…" }
