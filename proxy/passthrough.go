package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/backref/backref/upstream"
)

// passthrough relays a request and its response, both bodies streamed.
func (p *Proxy) passthrough(w http.ResponseWriter, r *http.Request, _ path) error {
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return p.relay(w, r, resp)
}

// forward sends a client's request to the upstream as it came. The request
// ends when the client goes away.
func (p *Proxy) forward(r *http.Request) (*http.Response, error) {
	body := r.Body
	if r.ContentLength == 0 {
		body = nil
	}
	return p.send(r, &http.Request{Body: body, ContentLength: r.ContentLength, Trailer: r.Trailer})
}

// send sends a client's request to the upstream, with the body of another:
// with the client's credentials, which it holds, or in auth.mode service with
// the service's.
func (p *Proxy) send(r, body *http.Request) (*http.Response, error) {
	passing := p.interimOf(r)
	defer passing.end()
	out := p.outgoing(passing, r, body)
	var resp *http.Response
	var err error
	if p.asService(r) {
		resp, err = p.sendAs(r, out)
	} else {
		resp, err = p.upstream.RoundTrip(out)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return resp, nil
}

// sendAs sends a request with the service's credentials alone.
func (p *Proxy) sendAs(r, out *http.Request) (*http.Response, error) {
	disown(out)
	resp, err := p.upstream.Send(p.credentials(r), out)
	if err != nil {
		return nil, err
	}
	if err := own(resp); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	p.follow(r, resp)
	return resp, nil
}

// outgoing returns a client's request as it is sent to the upstream, with the
// body of another.
func (p *Proxy) outgoing(ctx context.Context, r, body *http.Request) *http.Request {
	return (&http.Request{
		Method:        r.Method,
		URL:           &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
		Header:        p.upstreamHeader(r),
		Body:          body.Body,
		GetBody:       body.GetBody,
		ContentLength: body.ContentLength,
		Trailer:       body.Trailer,
		Proto:         "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
}

// relay writes the upstream's response to the client. Where the body breaks
// off, so does the client's connection: a short body must not look whole.
func (p *Proxy) relay(w http.ResponseWriter, r *http.Request, resp *http.Response) error {
	if location, wrong := foreignLocation(resp.Header); wrong {
		return fmt.Errorf("%w: it redirects to a URL of scheme %q", upstream.ErrInvalid, location.Scheme)
	}
	header := w.Header()
	copyEndToEnd(header, resp.Header)
	p.rewriteLinks(header, r)
	p.rewriteChallenges(header, r)
	saysNoType(header)
	announceTrailers(header, resp.Trailer)
	w.WriteHeader(resp.StatusCode)
	if err := p.copyBody(w, r, resp); err != nil {
		note(r, zap.NamedError("broken", err))
		// The status is the registry's answer, however short the body is; what
		// is not sent by now would never be.
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	passTrailers(w, resp.Trailer)
	return nil
}

// saysNoType keeps the server from guessing a type that the registry did not
// state.
func saysNoType(header http.Header) {
	if _, stated := header["Content-Type"]; !stated {
		header["Content-Type"] = nil
	}
}

// copyBody streams a body. One without a length is passed on as it comes.
func (p *Proxy) copyBody(w http.ResponseWriter, r *http.Request, resp *http.Response) error {
	if body, able := resp.Body.(mover); able && r.TLS == nil && r.ProtoMajor == 1 {
		if to, able := w.(upstream.Mover); able {
			return p.move(to, body)
		}
	}
	var to io.Writer = w
	if resp.ContentLength < 0 {
		to = flushing{w, http.NewResponseController(w)}
	}
	buffer := p.buffers.Get()
	defer p.buffers.Put(buffer)
	// Hiding ReadFrom makes the copy use our buffer.
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, resp.Body, buffer[:])
	return err
}

// flushing passes on each write at once.
type flushing struct {
	io.Writer
	control *http.ResponseController
}

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err != nil {
		return n, err
	}
	return n, f.control.Flush()
}
