package proxy

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/proxy/wrap"
)

// routes is what every request goes through. The URL grammar is that of
// parsePath, and [endpointTable] says how each part of it is served. What
// backref has no story for passes through: end-1 to end-14 of the distribution
// specification, the catalog, and whatever else the registry knows.
//
//	GET, HEAD     /v2/<name>/referrers/<digest>      answered from the index
//	PUT           /v2/<name>/manifests/<reference>   passed through and indexed
//	DELETE        /v2/<name>/manifests/<reference>   passed through and indexed
//	GET           /v2/<name>/manifests/<reference>   passed through, indexed when new, or cached
//	HEAD          /v2/<name>/manifests/<reference>   passed through, or cached
//	GET, HEAD     /v2/<name>/manifests/<tag>         of a referrers tag: the listing
//	any           /v2/<name>/blobs/…                 passed through
//	GET           /v2/<name>/tags/list               passed through, paged when the registry doesn't, without hidden tags
//	GET, POST     /_backref/token                    passed to the token service, with auth.realm: rewrite
//	GET, HEAD     /v2/<name>/_backref/…              the extension, answered from the index
//	GET, HEAD     /v2/[<name>/]_oci/ext/discover     what extensions there are
//	any           /_backref/ui/…                     the web page, where it is public
//	any           /v2/, /v2/_catalog, other          passed through
func (p *Proxy) routes() http.Handler {
	return p.routed(chi.Chain(p.wrappers()...).HandlerFunc(p.dispatch))
}

// wrappers are what every request goes through before it is dispatched, from
// the outermost in.
func (p *Proxy) wrappers() chi.Middlewares {
	requests, proxies := p.metrics.requests, wrap.Proxies(p.options.TrustedProxies)
	return chi.Middlewares{
		wrap.Identify(wrap.IdentifyOptions{Open: p.open, Proxies: proxies}),
		wrap.Observe(wrap.ObserveOptions{Access: p.options.Access, Log: p.log, Metrics: requests, Proxies: proxies, Now: p.now}),
		wrap.Trace(wrap.TraceOptions{Tracer: p.options.Registry.Tracer, Proxies: proxies}),
		wrap.Recover(wrap.RecoverOptions{Fail: p.fail}),
		wrap.Pace(wrap.PaceOptions{Patience: p.patience, Buffers: &p.buffers, Metrics: requests}),
		wrap.Limit(wrap.LimitOptions{
			Bounds: func() wrap.Bounds { return p.limits().Requests }, Proxies: proxies, Now: p.now, Fail: p.fail, Proves: looksAtCredentials,
		}),
		wrap.LimitPages(wrap.LimitPagesOptions{
			Most: func() int { return p.limits().PageSize }, Paged: p.paged, Parameters: answer.Parameters, Metrics: requests, Fail: p.fail,
		}),
	}
}

// paged tells whether a request is for a list whose n is bounded.
func (p *Proxy) paged(r *http.Request) bool {
	return p.endpoints[entryOf(r).path.endpoint].paged
}

// dispatch serves a request by the table of endpoints, and answers what it was
// refused, or failed, with.
func (p *Proxy) dispatch(w http.ResponseWriter, r *http.Request) {
	if err := p.serve(w, r); err != nil {
		p.fail(w, r, err)
	}
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) error {
	if !knownMethod(r.Method) {
		return &oci.Error{
			Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported,
			Message: "no registry has the method " + strconv.Quote(r.Method),
		}
	}
	target, err := requestPath(r)
	if err != nil {
		return pathError(err)
	}
	if err := checkConnection(r.Header); err != nil {
		return err
	}
	if target.endpoint == endpointPages && p.webPages != nil {
		p.webPages.ServeHTTP(w, r)
		return nil
	}
	if target, err = p.named(r, target); err != nil {
		return err
	}
	if visitor, within := visitorOf(r); within {
		if err := refuseVisitor(r.Method); err != nil {
			return err
		}
		entryOf(r).operator = visitor.Operator
	}
	if p.access != nil {
		return p.admit(w, r, target)
	}
	return p.routeOf(target, r.Method).handle(p, w, r, target)
}

// knownMethod tells whether a method is one of HTTP's own. What the registry
// would make of another is not known.
func knownMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return true
	default:
		return false
	}
}

// refuseMethod answers a method that what backref answers itself doesn't have.
func (p *Proxy) refuseMethod(w http.ResponseWriter, r *http.Request, _ path) error {
	return &oci.Error{
		Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported,
		Message: "this can only be read: use GET",
		Header:  http.Header{"Allow": {"GET, HEAD"}},
	}
}

// pathError says to the client what is wrong with the path.
func pathError(err error) *oci.Error {
	code := oci.CodeUnsupported
	switch {
	case errors.Is(err, errRepository):
		code = oci.CodeNameInvalid
	case errors.Is(err, errDigest):
		code = oci.CodeDigestInvalid
	case errors.Is(err, errTag):
		code = oci.CodeTagInvalid
	}
	return oci.BadRequest(code, err.Error())
}
