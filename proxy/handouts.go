package proxy

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// Bounds of the handouts that are remembered.
const (
	maxHandouts = 10_000
	handoutTime = time.Hour
)

// handouts are the addresses outside the grammar that the registry gave to
// clients of auth.mode service: where a blob is, and where an upload goes on.
// Nothing in such an address tells the repository. The registry gave it to the
// service, whom it lets do everything, so each is for the client that it was
// passed on to, and for what that client had asked for.
type handouts struct {
	cache *otter.Cache[handoutKey, path]
}

// handoutKey is a hash over the client and the address, which is a secret of
// the two and may be long.
type handoutKey [sha256.Size]byte

func newHandouts() *handouts {
	return &handouts{otter.Must(&otter.Options[handoutKey, path]{
		MaximumSize: maxHandouts, ExpiryCalculator: otter.ExpiryWriting[handoutKey, path](handoutTime),
	})}
}

// keyOfHandout returns the key of an address. Clients that don't sign in count
// as one. The order of the query's parameters is of no account: some clients
// take it apart and put it together again.
func keyOfHandout(client policy.Client, address string, query url.Values) handoutKey {
	var text []byte
	for _, part := range []string{client.User, address, query.Encode()} {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	return sha256.Sum256(text)
}

// give notes that a client was given an address, and for what.
func (h *handouts) give(client policy.Client, address *url.URL, use path) {
	query, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		return
	}
	h.cache.Set(keyOfHandout(client, address.Path, query), use)
}

// of returns what a client was given the address of a request for, if the
// request is of that kind. It has to bring the query that was given, and nothing
// more but the digest that ends an upload (distribution-spec, "Pushing blobs"):
// the query may be all that tells one upload from another.
func (h *handouts) of(client policy.Client, r *http.Request) (path, bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return path{}, false
	}
	given, known := h.cache.GetIfPresent(keyOfHandout(client, r.URL.Path, query))
	if known {
		return given, given.endpoint == endpointUploads || reads(r.Method)
	}
	if len(query["digest"]) != 1 {
		return path{}, false
	}
	query.Del("digest")
	given, known = h.cache.GetIfPresent(keyOfHandout(client, r.URL.Path, query))
	return given, known && given.endpoint == endpointUploads
}

// reads tells whether a method changes nothing.
func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}

// follow remembers where an answer of the registry sends the client, if that is
// an address of the registry's own outside the grammar.
func (p *Proxy) follow(r *http.Request, resp *http.Response) {
	e := entryOf(r)
	if p.access == nil || p.endpoints[e.path.endpoint].answered {
		return
	}
	use := handedOut(e.path, r.Method, resp.StatusCode)
	if use == endpointOther {
		return
	}
	address, ours := p.local(r.URL, resp.Header.Get("Location"))
	if !ours {
		return
	}
	if next, err := parsePath(address); err == nil && next.endpoint == endpointOther {
		p.access.handouts.give(e.client, address, path{endpoint: use, repository: e.path.repository})
	}
}

// handedOut tells what the Location of an answer is good for: to go on with an
// upload, or to read what was asked for; endpointOther where for nothing.
func handedOut(asked path, method string, status int) endpoint {
	redirect := status >= http.StatusMovedPermanently && status <= http.StatusPermanentRedirect && status != http.StatusNotModified
	switch {
	case asked.repository == "":
		return endpointOther
	case status == http.StatusCreated:
		return endpointBlobs
	case asked.endpoint == endpointUploads && status < http.StatusBadRequest:
		return endpointUploads
	case redirect && reads(method):
		return endpointBlobs
	default:
		return endpointOther
	}
}

// local returns the path and query by which clients reach what the registry
// calls by a reference in its answer to a request for here. It is false where
// that is not at the registry.
func (p *Proxy) local(here *url.URL, reference string) (*url.URL, bool) {
	parsed, err := url.Parse(reference)
	if err != nil || reference == "" {
		return nil, false
	}
	if local, ours := p.upstream.ClientPath(parsed); ours {
		return local, true
	}
	below := strings.Trim(p.options.UpstreamURL.Path, "/") != ""
	if parsed.IsAbs() || parsed.Host != "" || parsed.User != nil || below && strings.HasPrefix(parsed.Path, "/") {
		return nil, false
	}
	return here.ResolveReference(parsed), true
}

// notHandedOut is the answer to a client that asks for an address outside the
// grammar that it may not use, or not any more.
func notHandedOut(method string) *oci.Error {
	switch method {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return oci.NotFound(oci.CodeBlobUploadUnknown, "this proxy knows of no upload of yours at this address: begin the upload again", nil)
	default:
		return &oci.Error{
			Status: http.StatusForbidden, Code: oci.CodeDenied,
			Message: "this proxy has not sent you to this address lately: if you were, begin again where you came from; " +
				"else ask the operator of this proxy for the right",
			Rule: ruleAccess,
		}
	}
}
