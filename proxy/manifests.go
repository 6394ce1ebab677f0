package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
)

// putManifest takes a manifest on its way to the upstream (end-7). The one
// with a subject is announced to the index before the upstream sees it.
func (p *Proxy) putManifest(w http.ResponseWriter, r *http.Request, target path) error {
	body, giveBack, err := p.readManifest(w, r)
	if err != nil {
		return err
	}
	defer giveBack()
	manifest, known, err := p.parsePushed(r, target, body)
	if err != nil {
		return err
	}
	hold, err := p.holdTag(r, target)
	if err != nil {
		return err
	}
	defer hold.release()
	defer p.tagKinds.forget(target.repository, target.tag)
	push := push{target: target, hold: hold, body: body, record: index.Record{
		Repository: target.repository, Manifest: manifest, Seen: p.now(),
	}}
	switch {
	case known && target.foreign:
		return p.pushElsewhere(w, r, push)
	case known && manifest.Subject() != "":
		return p.pushReferrer(w, r, push)
	case known && oci.IsReferrersTag(target.tag) && p.config.Referrers.FallbackTags != config.FallbackOff:
		return p.pushReferrersTag(w, r, push)
	case known:
		return p.pushManifest(w, r, push)
	default:
		return p.pushUnknown(w, r, push)
	}
}

// push is a manifest on its way in.
type push struct {
	target path
	hold   tagHold
	body   []byte
	record index.Record
}

// readManifest buffers the body of a push, up to the limit, once there is room
// for it. The room is to be given back when the body is needed no more.
func (p *Proxy) readManifest(w http.ResponseWriter, r *http.Request) (body []byte, giveBack func(), err error) {
	limit := int64(p.config.Limits.ManifestSize)
	tooLarge := &oci.Error{
		Status: http.StatusRequestEntityTooLarge, Code: oci.CodeSizeInvalid,
		Message: fmt.Sprintf("the manifest is larger than the limit of %s", p.config.Limits.ManifestSize),
		Limit:   "limits.manifestSize",
	}
	if r.ContentLength > limit {
		return nil, nil, tooLarge
	}
	size := limit
	if r.ContentLength >= 0 {
		size = r.ContentLength
	}
	giveBack, err = p.memory.take(r.Context(), size)
	if err != nil {
		p.discard(w, r, size)
		return nil, nil, err
	}
	body, err = p.readBody(w, r, limit)
	var exceeded *http.MaxBytesError
	var slow *oci.Error
	switch {
	case err == nil:
		return body, giveBack, nil
	case errors.As(err, &slow):
	case errors.As(err, &exceeded):
		err = tooLarge
	case late(err):
		err = p.tooSlow(err)
	default:
		err = oci.BadRequest(oci.CodeManifestInvalid, "the manifest could not be read to its end")
	}
	giveBack()
	return nil, nil, err
}

func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	rest, err := p.hurry(w, r)
	if err != nil {
		return nil, err
	}
	defer rest()
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err = buffer.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	return buffer.Bytes(), err
}

// manifestLimits bounds what is read of a manifest.
func (p *Proxy) manifestLimits() index.ManifestLimits {
	limits := p.config.Limits
	return index.ManifestLimits{
		Depth: limits.ManifestDepth, Descriptors: limits.ManifestDescriptors, Annotations: limits.ManifestAnnotations,
	}
}

// parsePushed reads a manifest that is pushed. What it can't read is left to
// the upstream to judge, unless the upstream may read something else there
// than we do, or it has a subject: then the client would believe a referrer
// pushed that no listing can show.
func (p *Proxy) parsePushed(r *http.Request, target path, body []byte) (m index.Manifest, known bool, err error) {
	algorithm := digest.Canonical
	if target.digest != "" {
		algorithm = target.digest.Algorithm()
	}
	m, err = p.manifestLimits().Parse(r.Header.Get("Content-Type"), algorithm, body)
	switch {
	case unsafe(err):
		return m, false, oci.BadRequest(oci.CodeManifestInvalid, err.Error())
	case err != nil && index.HasSubject(body):
		return m, false, oci.BadRequest(oci.CodeManifestInvalid, "the manifest has a subject but can't be read: "+err.Error())
	case err != nil:
		return m, false, nil
	case target.digest != "" && target.digest != m.Digest:
		// The upstream says so, in its own words.
		return m, false, nil
	}
	return m, true, p.checkListable(m)
}

// unsafe tells whether others may find a manifest where we found none.
func unsafe(err error) bool {
	return errors.Is(err, strictjson.ErrSyntax) || errors.Is(err, strictjson.ErrAmbiguous) || errors.Is(err, strictjson.ErrLimit)
}

// pushReferrer pushes a manifest with a subject. The intent is durable before
// the upstream sees the manifest, and the record or still the intent before
// the client sees the answer.
func (p *Proxy) pushReferrer(w http.ResponseWriter, r *http.Request, push push) error {
	mark, err := p.store.Mark(r.Context())
	if err != nil {
		return err
	}
	intent, err := p.begin(r, index.Intent{Kind: index.IntentPush, Record: push.record})
	if err != nil {
		return err
	}
	defer intent.leave()
	note(r, zap.Stringer("subject", push.record.Subject()))
	resp, err := p.sendReferrer(r, push)
	if err != nil {
		intent.unknown()
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if !accepted(resp) {
		intent.end(resp)
		p.learnRefused(r, push, resp)
		return p.relay(w, r, resp)
	}
	if other, differs := storedAs(resp, push); differs {
		// The upstream keeps it under another algorithm's digest.
		if p.observe1(r, mark, other) {
			intent.cancel()
		}
		intent.leave()
	} else {
		intent.confirm()
	}
	resp.Header.Set("OCI-Subject", push.record.Subject().String())
	return p.relay(w, r, resp)
}

// storedAs tells whether the upstream states another digest for the manifest
// than the one it was announced with, and it is true.
func storedAs(resp *http.Response, push push) (index.Record, bool) {
	stated, err := digest.Parse(resp.Header.Get("Docker-Content-Digest"))
	if err != nil || stated == push.record.Digest || stated.Algorithm().FromBytes(push.body) != stated {
		return index.Record{}, false
	}
	record := push.record
	record.Digest = stated
	return record, true
}

// pushManifest pushes a manifest without a subject. Its record serves walks
// of the graph, of which nothing is promised, so that one write afterwards is
// enough.
func (p *Proxy) pushManifest(w http.ResponseWriter, r *http.Request, push push) error {
	mark, markErr := p.store.Mark(r.Context())
	resp, err := p.sendManifest(r, push)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if accepted(resp) && markErr == nil {
		if other, differs := storedAs(resp, push); differs {
			push.record = other
		}
		p.observe1(r, mark, push.record)
	}
	return p.relay(w, r, resp)
}

// pushUnknown passes on what backref can't read.
func (p *Proxy) pushUnknown(w http.ResponseWriter, r *http.Request, push push) error {
	resp, err := p.sendManifest(r, push)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return p.relay(w, r, resp)
}

// observe1 records one manifest that the upstream was seen to have, and tells
// whether it could. A failure is the operator's: the client's request went
// well.
func (p *Proxy) observe1(r *http.Request, mark index.Mark, record index.Record) bool {
	err := p.store.Observe(detached(r), mark, record)
	if err != nil {
		note(r, zap.NamedError("observe", err))
	}
	return err == nil
}

// sendManifest sends a buffered manifest upstream. With the answer the tag is
// free for its next writer.
func (p *Proxy) sendManifest(r *http.Request, push push) (*http.Response, error) {
	defer push.hold.release()
	if push.hold.instead != nil {
		r = push.hold.instead
	}
	if push.hold.conditional {
		return p.sendHeld(r, push)
	}
	return p.sendBody(r, push.body)
}

func (p *Proxy) sendBody(r *http.Request, body []byte) (*http.Response, error) {
	again := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	first, err := again()
	if err != nil {
		return nil, err
	}
	return p.send(r, &http.Request{Body: first, GetBody: again, ContentLength: int64(len(body))})
}

// accepted tells whether the upstream carried the request out.
func accepted(resp *http.Response) bool {
	return resp.StatusCode >= 200 && resp.StatusCode < 300
}

// refused tells whether the upstream certainly did not carry the request out.
func refused(resp *http.Response) bool {
	return resp.StatusCode >= 300 && resp.StatusCode < 500 && resp.StatusCode != http.StatusRequestTimeout
}
