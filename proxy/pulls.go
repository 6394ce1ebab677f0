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
func (p *Proxy) getManifest(w http.ResponseWriter, r *http.Request, target path) error {
	if p.serveCached(w, r, target) {
		return nil
	}
	slot := p.manifests.slot(r, target)
	mark, err := p.store.Mark(r.Context())
	if err != nil {
		note(r, zap.NamedError("index", err))
		return p.passthrough(w, r, target)
	}
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if listing, served := p.servedUnder(r, resp, target); served {
		listing.write(w, r)
		return nil
	}
	limit := int64(p.config.Limits.ManifestSize)
	if target.foreign || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" || resp.ContentLength > limit {
		p.learnFrom(r, target, resp)
		return p.relay(w, r, resp)
	}
	giveBack, unknown := p.roomToLearn(r, target, resp)
	defer giveBack()
	if unknown {
		p.learn(r, target, mark, resp)
	}
	if !slot.takes(resp) {
		return p.relay(w, r, resp)
	}
	return p.relayKept(w, r, resp, slot, unknown)
}

// roomToLearn takes room for the manifest of a response where the index doesn't
// know it. It is false where the index does, or there is no room.
func (p *Proxy) roomToLearn(r *http.Request, target path, resp *http.Response) (giveBack func(), unknown bool) {
	if name := stated(resp, target); name != "" {
		if known, err := p.indexed(r.Context(), target, name); known || err != nil {
			return func() {}, false
		}
	}
	giveBack, err := p.memory.take(r.Context(), roomFor(resp, int64(p.config.Limits.ManifestSize)))
	if err != nil {
		note(r, zap.NamedError("notLearned", err))
		return func() {}, false
	}
	return giveBack, true
}

// learn records the manifest of a response before it is passed on.
func (p *Proxy) learn(r *http.Request, target path, mark index.Mark, resp *http.Response) {
	body, whole := readAhead(resp, int64(p.config.Limits.ManifestSize))
	if !whole {
		return
	}
	name := stated(resp, target)
	if name == "" {
		name = digest.FromBytes(body)
	}
	if err := p.record(r.Context(), target, mark, name, resp.Header.Get("Content-Type"), body); err != nil {
		note(r, zap.NamedError("notIndexed", err))
	}
}

// relayKept passes a response on, and keeps it. Room for it may be held already.
func (p *Proxy) relayKept(w http.ResponseWriter, r *http.Request, resp *http.Response, slot *manifestSlot, held bool) error {
	limit := int64(p.config.Limits.ManifestSize)
	if !held {
		giveBack, room := p.memory.takeSpare(roomFor(resp, limit))
		if !room {
			return p.relay(w, r, resp)
		}
		defer giveBack()
	}
	seen := &capture{ReadCloser: resp.Body, room: int(limit)}
	resp.Body = seen
	if err := p.relay(w, r, resp); err != nil {
		return err
	}
	if seen.whole {
		slot.keep(resp, seen.buffer.Bytes())
	}
	return nil
}

// headManifest answers from the cache, else passes through (end-3).
func (p *Proxy) headManifest(w http.ResponseWriter, r *http.Request, target path) error {
	if p.serveCached(w, r, target) {
		return nil
	}
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if listing, served := p.servedUnder(r, resp, target); served {
		listing.write(w, r)
		return nil
	}
	p.learnFrom(r, target, resp)
	return p.relay(w, r, resp)
}

// roomFor returns how many bytes the manifest of a response may take.
func roomFor(resp *http.Response, limit int64) int64 {
	if resp.ContentLength >= 0 {
		return resp.ContentLength
	}
	return limit
}

// drop forgets what is kept of a manifest that is about to be deleted, or was.
func (p *Proxy) drop(repository string, manifest digest.Digest) {
	p.manifests.drop(repository, manifest)
	p.known.Invalidate(manifestName{repository, manifest})
}

// dropWithin forgets also what is kept of a manifest under the name of another
// registry.
func (p *Proxy) dropWithin(target path, manifest digest.Digest) {
	p.drop(target.repository, manifest)
	if target.foreign {
		name := nameWithin(target.namespace, target.repository, manifest)
		p.elsewhere.Invalidate(name)
		p.known.Invalidate(name)
	}
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
