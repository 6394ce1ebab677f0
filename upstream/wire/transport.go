package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// continueTimeout is how long a body is held back for a "100 Continue" of the
// server: one that refuses says so at once, and many never send it.
const continueTimeout = time.Second

// Transport sends requests and returns what servers answer. It is a
// [http.RoundTripper], and may be used concurrently.
type Transport struct {
	// own are for requests that need nothing more, standard for all others but
	// those that go by a proxy.
	own      *connections
	standard *http.Transport
	// proxy says which do, proxied is their way; both are nil where none does.
	proxy   func(*http.Request) (*url.URL, error)
	proxied *http.Transport
	// ended is told of each request; nil hears nothing.
	ended func(req *http.Request, resp *http.Response, err error, took time.Duration)
	// header bounds the time to a response's header, stall a pause in a body.
	header, stall time.Duration
	// silent and stalled are ErrSilent and ErrStalled with the settings' names.
	silent, stalled error
}

// New returns a transport. It does not connect yet.
func New(options Options) *Transport {
	o := options.withDefaults()
	t := &Transport{
		ended:   o.Ended,
		header:  cmp.Or(o.ResponseHeader, unbounded),
		stall:   cmp.Or(o.Stall, unbounded),
		silent:  within(o.Settings, "responseHeader", ErrSilent),
		stalled: within(o.Settings, "stall", ErrStalled),
	}
	t.standard = newStandard(o, o.DialContext)
	if o.Proxy != nil {
		t.proxy, t.proxied = o.Proxy, newProxied(o)
	}
	if !o.Standard {
		t.own = newConnections(t, o)
	}
	return t
}

// newStandard returns the way by net/http, with connections that dial opens.
func newStandard(o Options, dial dialFunc) *http.Transport {
	return &http.Transport{
		TLSClientConfig:       o.TLS.Clone(),
		DialContext:           (&sender{dial: dial}).dialContext,
		TLSHandshakeTimeout:   o.Connect,
		ExpectContinueTimeout: continueTimeout,
		ResponseHeaderTimeout: o.ResponseHeader,
		IdleConnTimeout:       o.Idle,
		MaxIdleConns:          o.MaxIdleConnections,
		MaxIdleConnsPerHost:   o.MaxIdleConnections,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,

		MaxResponseHeaderBytes: maxHeader,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
}

// RoundTrip implements [http.RoundTripper]. The response is as it came; the
// caller closes its body. Informational responses that precede it, at most five,
// go to the [Interim] of the request's context.
//
// A body that the system can move has a method
// Move(to Mover, most int64, within time.Duration) (int64, error), see [Mover].
// Hooks of package httptrace are called where net/http sends the request.
//
// Errors: [ErrSilent], [ErrStalled]; the cause that the request's
// context ended for; those of net, crypto/tls and net/http. Where there is one,
// nothing is known of what the server did.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.ended == nil {
		return t.roundTrip(req)
	}
	start := time.Now()
	resp, err := t.roundTrip(req)
	t.ended(req, resp, err, time.Since(start))
	return resp, err
}

func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	if t.proxy != nil && req.URL != nil {
		switch through, err := t.proxy(req); {
		case err != nil:
			return nil, fmt.Errorf("proxy for a request: %w", err)
		case through != nil:
			return t.byProxy(req)
		}
	}
	if t.own != nil && t.own.takes(req) {
		resp, err := t.own.roundTrip(req)
		if err == nil || !errors.Is(err, errHTTP2) {
			return resp, err
		}
	}
	return t.watch(t.standard, req)
}

// Connections returns how many connections of this package's own are open, and how
// many of them no request uses. Those of net/http are not among them.
func (t *Transport) Connections() (open, idle int) {
	if t.own == nil {
		return 0, 0
	}
	t.own.mutex.Lock()
	defer t.own.mutex.Unlock()
	return int(t.own.opened.Load()), len(t.own.idle)
}

// Close closes the connections that no request uses, and keeps none from then
// on. Requests under way go on.
func (t *Transport) Close() {
	t.standard.CloseIdleConnections()
	if t.proxied != nil {
		t.proxied.CloseIdleConnections()
	}
	if t.own != nil {
		t.own.close()
	}
}
