package proxy

import (
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// deleteManifest passes a delete on (end-9) and takes the manifest from the
// listings.
func (p *Proxy) deleteManifest(w http.ResponseWriter, r *http.Request, target path) error {
	if target.tag == "" {
		return p.deleteNamed(w, r, target, target.digest)
	}
	release, err := p.tagLocks.share(r.Context(), tagName{target.repository, target.tag})
	if err != nil {
		return err
	}
	defer release()
	manifest, err := p.resolveTag(r, target, p.credentials(r))
	if err != nil {
		note(r, zap.NamedError("resolve", err))
		return p.deleteUnresolved(w, r, target)
	}
	return p.deleteNamed(w, r, target, manifest)
}

// deleteNamed passes on the delete of a manifest, or of a tag that stands for
// it.
func (p *Proxy) deleteNamed(w http.ResponseWriter, r *http.Request, target path, manifest digest.Digest) error {
	intent, err := p.begin(r, index.Intent{Kind: index.IntentDelete, Record: index.Record{
		Repository: target.repository, Manifest: index.Manifest{Digest: manifest},
	}})
	if err != nil {
		return err
	}
	defer intent.leave()
	p.dropWithin(target, manifest)
	resp, err := p.sendDelete(r, target)
	// One that was pulled meanwhile may have been kept.
	p.dropWithin(target, manifest)
	if err != nil {
		intent.unknown()
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if (target.tag != "" || target.foreign) && accepted(resp) {
		p.endUntag(r, intent, target, manifest)
	} else {
		intent.end(resp)
	}
	if _, served := p.servedUnder(r, resp, target); served {
		// A client that keeps the tag itself deletes what it read there, once it
		// has written its own.
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	return p.relay(w, r, resp)
}

// resolveTag returns the digest that a tag stands for.
func (p *Proxy) resolveTag(r *http.Request, target path, as upstream.Credentials) (digest.Digest, error) {
	stated, err := p.upstream.Resolve(r.Context(), as, target.repository, target.tag)
	if stated != "" || err != nil && !headRefused(err) {
		return stated, err
	}
	manifest, err := p.upstream.Manifest(r.Context(), as, target.repository, target.tag, int64(p.config.Limits.ManifestSize))
	return manifest.Digest, err
}

// headRefused tells whether the upstream answers no HEAD at all.
func headRefused(err error) bool {
	var status *upstream.StatusError
	return errors.As(err, &status) && (status.Status == http.StatusMethodNotAllowed || status.Status == http.StatusNotImplemented)
}

// endUntag settles the deletion of a tag, with which some registries delete
// the manifest too, or a deletion from a registry that may be the upstream. Of
// the latter a client may read without reading from the upstream, so that what
// it doesn't find there may be there.
func (p *Proxy) endUntag(r *http.Request, intent *begun, target path, manifest digest.Digest) {
	_, err := p.upstream.Resolve(r.Context(), p.unnamed(r, target), target.repository, manifest.String())
	switch {
	case err == nil:
		intent.cancel()
	case errors.Is(err, upstream.ErrNotFound) && !target.foreign:
		intent.confirm()
	default:
		intent.unknown()
		note(r, zap.NamedError("resolve", err))
	}
}
