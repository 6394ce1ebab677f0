package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

// getManifest passes a pull through (end-3) and records the manifest where
// the index doesn't know it: it was pushed past this proxy.
func (p *Proxy) getManifest(w http.ResponseWriter, r *http.Request, target path) error {
	caller := p.callerOf(r, target)
	rules := p.pullRules(r, target)
	if served, err := p.serveCached(w, r, target, caller, rules); served || err != nil {
		return err
	}
	slot := p.manifests.slot(r, target)
	mark, markErr := p.registry.Mark(r.Context())
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if markErr != nil {
		note(r, zap.NamedError("index", markErr))
	} else if listing, served := p.registry.ServedUnder(r.Context(), caller, target.digest, resp); served {
		return p.serveListing(w, r, listing, rules)
	}
	letGo, err := p.registry.MayPull(r.Context(), registry.Pulled{
		Caller: caller, Rules: rules, Reference: target.reference(), Method: r.Method, Response: resp, Mark: mark, Marked: markErr == nil,
	})
	defer letGo()
	if err != nil {
		return err
	}
	if markErr != nil {
		return p.relay(w, r, resp)
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
	rules := p.pullRules(r, target)
	if served, err := p.serveCached(w, r, target, caller, rules); served || err != nil {
		return err
	}
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if listing, served := p.registry.ServedUnder(r.Context(), caller, target.digest, resp); served {
		return p.serveListing(w, r, listing, rules)
	}
	letGo, err := p.registry.MayPull(r.Context(), registry.Pulled{
		Caller: caller, Rules: rules, Reference: target.reference(), Method: r.Method, Response: resp,
	})
	defer letGo()
	if err != nil {
		return err
	}
	p.registry.LearnFrom(r.Context(), caller, target.reference(), resp)
	return p.relay(w, r, resp)
}

// serveListing sends a listing that is pulled by its digest, unless the rules keep
// what it may name from the client.
func (p *Proxy) serveListing(w http.ResponseWriter, r *http.Request, listing registry.TagListing, rules policy.ArtifactRules) error {
	if err := p.mayList(r, rules, ofAll); err != nil {
		return err
	}
	writeListing(w, r, listing)
	return nil
}

// showBlob passes the pull of a blob through (end-2). A blob has no type; but to
// some registries manifests are blobs too, and one that the index knows as a
// manifest is judged as that.
func (p *Proxy) showBlob(w http.ResponseWriter, r *http.Request, target path) error {
	rules := p.pullRules(r, target)
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if len(rules) > 0 && resp.StatusCode < http.StatusBadRequest {
		if _, err := p.registry.MayPullRecorded(r.Context(), p.callerOf(r, target), rules, target.digest); err != nil {
			return err
		}
	}
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
