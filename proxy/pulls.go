package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/registry"
)

// getManifest passes a pull through (end-3) and records the manifest where
// the index doesn't know it: it was pushed past this proxy.
func (p *Proxy) getManifest(w http.ResponseWriter, r *http.Request, target path) error {
	caller := p.callerOf(r, target)
	if p.serveCached(w, r, target, caller) {
		return nil
	}
	slot := p.manifests.slot(r, target)
	mark, err := p.registry.Mark(r.Context())
	if err != nil {
		note(r, zap.NamedError("index", err))
		return p.passthrough(w, r, target)
	}
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if listing, served := p.registry.ServedUnder(r.Context(), caller, target.digest, resp); served {
		writeListing(w, r, listing)
		return nil
	}
	limit := p.registry.Limits().Size
	if target.foreign || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "" || resp.ContentLength > limit {
		p.registry.LearnFrom(r.Context(), caller, target.reference(), resp)
		return p.relay(w, r, resp)
	}
	giveBack, unknown := p.registry.RoomToLearn(r.Context(), caller, target.reference(), resp)
	defer giveBack()
	if unknown {
		p.registry.Learn(r.Context(), caller, target.reference(), mark, resp)
	}
	if !slot.takes(resp) {
		return p.relay(w, r, resp)
	}
	return p.relayAndCache(w, r, resp, slot, unknown)
}

// relayAndCache passes a response on, and keeps it. Room for it may be held already.
func (p *Proxy) relayAndCache(w http.ResponseWriter, r *http.Request, resp *http.Response, slot *manifestSlot, held bool) error {
	limit := p.registry.Limits().Size
	if !held {
		giveBack, room := p.registry.Memory().TakeSpare(registry.RoomFor(resp, limit))
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
		slot.put(resp, seen.buffer.Bytes())
	}
	return nil
}

// headManifest answers from the cache, else passes through (end-3).
func (p *Proxy) headManifest(w http.ResponseWriter, r *http.Request, target path) error {
	caller := p.callerOf(r, target)
	if p.serveCached(w, r, target, caller) {
		return nil
	}
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if listing, served := p.registry.ServedUnder(r.Context(), caller, target.digest, resp); served {
		writeListing(w, r, listing)
		return nil
	}
	p.registry.LearnFrom(r.Context(), caller, target.reference(), resp)
	return p.relay(w, r, resp)
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
