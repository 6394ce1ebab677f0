package proxy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

// putManifest takes a manifest on its way to the upstream (end-7).
func (p *Proxy) putManifest(w http.ResponseWriter, r *http.Request, target path) error {
	replaces, query, err := replacesOf(r.URL.RawQuery)
	if err != nil {
		return err
	}
	r = withQuery(r, query)
	body, giveBack, err := p.readManifest(w, r)
	if err != nil {
		return err
	}
	defer giveBack()
	manifest, known, err := p.registry.ReadPushed(r.Header.Get("Content-Type"), target.reference(), body)
	if err != nil {
		return err
	}
	resp, err := p.writer.Push(r.Context(), &registry.Push{
		Caller: p.callerOf(r, target), Reference: target.reference(), Body: body, Manifest: manifest, Known: known, By: p.requester(r),
		Replaces: replaces, Header: r.Header, RawQuery: r.URL.RawQuery,
		Send: func(ctx context.Context, out registry.Outgoing) (*http.Response, error) {
			return p.sendManifest(r.WithContext(ctx), target, out)
		},
	})
	if err != nil && len(replaces) > 0 {
		err = widened(err, target.repository, policy.Pull, policy.Push, policy.Delete)
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return p.relay(w, r, resp)
}

// sendManifest sends a manifest to the registry, as the client's request says but
// for what is to be sent otherwise.
func (p *Proxy) sendManifest(r *http.Request, target path, out registry.Outgoing) (*http.Response, error) {
	first, err := out.Reader()
	if err != nil {
		return nil, err
	}
	r.Header = out.Header
	if out.Reference != target.reference().String() || out.RawQuery != r.URL.RawQuery {
		r.URL = &url.URL{Path: "/v2/" + target.repository + "/manifests/" + out.Reference, RawQuery: out.RawQuery}
	}
	return p.send(r, &http.Request{Body: first, GetBody: out.Reader, ContentLength: int64(len(out.Body))})
}

// deleteManifest passes a delete on (end-9).
func (p *Proxy) deleteManifest(w http.ResponseWriter, r *http.Request, target path) error {
	cascade, query, err := cascadeOf(r.URL.RawQuery)
	if err != nil {
		return err
	}
	r = withQuery(r, query)
	resp, err := p.writer.Delete(r.Context(), &registry.Deletion{
		Caller: p.callerOf(r, target), Reference: target.reference(), Repeatable: r.ContentLength == 0, Cascade: cascade,
		Send: func(ctx context.Context) (*http.Response, error) { return p.forward(r.WithContext(ctx)) },
	})
	if err != nil {
		return widened(err, target.repository, policy.Pull, policy.Delete)
	}
	defer func() { _ = resp.Body.Close() }()
	return p.relay(w, r, resp)
}

// readManifest buffers the body of a push, up to the limit, once there is room
// for it. The room is to be given back when the body is needed no more.
func (p *Proxy) readManifest(w http.ResponseWriter, r *http.Request) (body []byte, giveBack func(), err error) {
	limit := p.registry.Limits().Size
	tooLarge := &oci.Error{
		Status: http.StatusRequestEntityTooLarge, Code: oci.CodeSizeInvalid,
		Message: "the manifest is larger than the limit of " + p.registry.SizeText(limit),
		Limit:   "limits.manifestSize",
	}
	if r.ContentLength > limit {
		return nil, nil, tooLarge
	}
	size := limit
	if r.ContentLength >= 0 {
		size = r.ContentLength
	}
	giveBack, err = p.registry.Memory().Take(r.Context(), size)
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
