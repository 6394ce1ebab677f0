package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

const (
	// knownFor is how long a manifest counts as one that the index knows,
	// without asking it again. One that is forgotten meanwhile is learned later.
	knownFor = time.Minute
	// knownManifests is how many of these are remembered.
	knownManifests = 10_000
)

// manifestName names a manifest.
type manifestName struct {
	repository string
	digest     digest.Digest
}

// getManifest passes a pull through (end-3) and records the manifest where
// the index doesn't know it: it was pushed past this proxy.
func (p *Proxy) getManifest(w http.ResponseWriter, r *http.Request, target path) {
	if p.serveCached(w, r, target) {
		return
	}
	slot := p.manifests.slot(r, target)
	mark, err := p.store.Mark(r.Context())
	if err != nil {
		note(r, zap.NamedError("index", err))
		p.passthrough(w, r, target)
		return
	}
	resp, err := p.forward(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	name := stated(resp, target)
	unknown := p.unknownManifest(r, resp, target, name)
	if !unknown && !slot.takes(resp) {
		p.relay(w, r, resp)
		return
	}
	giveBack, room := p.memory.takeSpare(roomFor(resp, int64(p.config.Limits.ManifestSize)))
	if !room {
		// To learn of it can wait for the next pull.
		p.relay(w, r, resp)
		return
	}
	defer giveBack()
	seen := &capture{ReadCloser: resp.Body, room: int(p.config.Limits.ManifestSize)}
	resp.Body = seen
	p.relay(w, r, resp)
	if seen.whole && slot.takes(resp) {
		slot.keep(resp, seen.buffer.Bytes())
	}
	if seen.whole && unknown {
		p.learn(r, mark, target.repository, name, resp, seen.buffer.Bytes())
	}
}

// headManifest answers from the cache, else passes through (end-3).
func (p *Proxy) headManifest(w http.ResponseWriter, r *http.Request, target path) {
	if !p.serveCached(w, r, target) {
		p.passthrough(w, r, target)
	}
}

// roomFor returns how many bytes the manifest of a response may take.
func roomFor(resp *http.Response, limit int64) int64 {
	if resp.ContentLength >= 0 {
		return resp.ContentLength
	}
	return limit
}

// stated returns the digest under which the manifest of a response is known.
func stated(resp *http.Response, target path) digest.Digest {
	if target.digest != "" {
		return target.digest
	}
	d, err := digest.Parse(resp.Header.Get("Docker-Content-Digest"))
	if err != nil {
		return ""
	}
	return d
}

// unknownManifest tells whether a response holds a manifest that the index
// has no record of.
func (p *Proxy) unknownManifest(r *http.Request, resp *http.Response, target path, name digest.Digest) bool {
	if resp.StatusCode != http.StatusOK || name == "" || resp.Header.Get("Content-Encoding") != "" ||
		resp.ContentLength > int64(p.config.Limits.ManifestSize) {
		return false
	}
	key := manifestName{target.repository, name}
	if _, known := p.known.GetIfPresent(key); known {
		return false
	}
	_, err := p.store.Get(r.Context(), target.repository, name)
	if err == nil {
		p.known.Set(key, struct{}{})
	}
	return errors.Is(err, index.ErrNotFound)
}

// drop forgets what is kept of a manifest that is about to be deleted, or was.
func (p *Proxy) drop(repository string, manifest digest.Digest) {
	p.manifests.drop(repository, manifest)
	p.known.Invalidate(manifestName{repository, manifest})
}

// learn records a manifest that a client was seen to pull.
func (p *Proxy) learn(r *http.Request, mark index.Mark, repository string, name digest.Digest, resp *http.Response, body []byte) {
	manifest, err := p.manifestLimits().ParseServed(resp.Header.Get("Content-Type"), name.Algorithm(), body)
	if err != nil || manifest.Digest != name {
		note(r, zap.NamedError("notIndexed", err))
		return
	}
	p.observe1(r, mark, index.Record{Repository: repository, Manifest: manifest, Seen: p.now()})
}

// capture keeps a copy of a body that is read through it, while there is room.
type capture struct {
	io.ReadCloser
	buffer bytes.Buffer
	room   int
	// whole is set when the body was read to its end and is in buffer.
	whole bool
}

func (c *capture) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	if c.room -= n; c.room >= 0 {
		c.buffer.Write(b[:n])
		c.whole = errors.Is(err, io.EOF)
	} else {
		c.buffer.Reset()
	}
	return n, err
}
