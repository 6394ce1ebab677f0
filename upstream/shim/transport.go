package shim

import (
	"net/http"
	"net/url"

	"github.com/backref/backref/upstream"
)

// Transport is a way for clients of several registries by which one of them is reached
// with what makes up for its lacks. It may be used concurrently.
type Transport struct {
	// Registry is the one with shims, Host how its clients call it.
	Registry *upstream.Registry
	Host     string
	// Direct is the way to all others.
	Direct http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != t.Host {
		return t.Direct.RoundTrip(req)
	}
	sent := req.Clone(req.Context())
	sent.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	sent.Host = ""
	resp, err := t.Registry.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	// Whoever follows a redirect goes on from there.
	resp.Request = req
	return resp, nil
}
