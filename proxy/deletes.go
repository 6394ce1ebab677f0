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
func (p *Proxy) deleteManifest(w http.ResponseWriter, r *http.Request, target path) {
	manifest := target.digest
	if target.tag != "" {
		release, err := p.tagLocks.share(r.Context(), tagName{target.repository, target.tag})
		if err != nil {
			p.fail(w, r, err)
			return
		}
		defer release()
		resolved, err := p.resolveTag(r, target)
		switch {
		case errors.Is(err, upstream.ErrNotFound):
			p.passthrough(w, r, target)
			return
		case err != nil:
			p.fail(w, r, err)
			return
		}
		manifest = resolved
	}
	intent, err := p.begin(r, index.Intent{Kind: index.IntentDelete, Record: index.Record{
		Repository: target.repository, Manifest: index.Manifest{Digest: manifest},
	}})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer intent.leave()
	p.drop(target.repository, manifest)
	resp, err := p.forward(r)
	// One that was pulled meanwhile may have been kept.
	p.drop(target.repository, manifest)
	if err != nil {
		intent.unknown()
		p.fail(w, r, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if target.tag != "" && accepted(resp) {
		p.endUntag(r, intent, target.repository, manifest)
	} else {
		intent.end(resp)
	}
	if _, served := p.servedUnder(r, resp, target); served {
		// A client that keeps the tag itself deletes what it read there, once it
		// has written its own.
		w.WriteHeader(http.StatusAccepted)
		return
	}
	p.relay(w, r, resp)
}

// resolveTag returns the digest that a tag stands for.
func (p *Proxy) resolveTag(r *http.Request, target path) (digest.Digest, error) {
	as := p.credentials(r)
	stated, err := p.upstream.Resolve(r.Context(), as, target.repository, target.tag)
	if err != nil || stated != "" {
		return stated, err
	}
	manifest, err := p.upstream.Manifest(r.Context(), as, target.repository, target.tag, int64(p.config.Limits.ManifestSize))
	return manifest.Digest, err
}

// endUntag settles the deletion of a tag, with which some registries delete
// the manifest too.
func (p *Proxy) endUntag(r *http.Request, intent *begun, repository string, manifest digest.Digest) {
	_, err := p.upstream.Resolve(r.Context(), p.credentials(r), repository, manifest.String())
	switch {
	case err == nil:
		intent.cancel()
	case errors.Is(err, upstream.ErrNotFound):
		intent.confirm()
	default:
		intent.unknown()
		note(r, zap.NamedError("resolve", err))
	}
}
