package proxy

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/backref/backref/oci"
	"github.com/go-chi/chi/v5"
)

// routes is the whole URL grammar. What backref has no story for passes
// through: end-1 to end-14 of the distribution specification, the catalog,
// and whatever else the registry knows.
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
//	any           /v2/, /v2/_catalog, other          passed through
func (p *Proxy) routes() http.Handler {
	return chi.Chain(p.identify, p.observe, p.recovery, p.guardTransfers, p.limit, p.limitPages).HandlerFunc(p.dispatch)
}

func (p *Proxy) dispatch(w http.ResponseWriter, r *http.Request) {
	if !knownMethod(r.Method) {
		p.fail(w, r, &oci.Error{
			Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported,
			Message: "no registry has the method " + strconv.Quote(r.Method),
		})
		return
	}
	target, err := requestPath(r)
	if err != nil {
		p.fail(w, r, pathError(err))
		return
	}
	if err := checkConnection(r.Header); err != nil {
		p.fail(w, r, err)
		return
	}
	if target, err = p.named(r, target); err != nil {
		p.fail(w, r, err)
		return
	}
	if p.access != nil {
		p.admit(w, r, target)
		return
	}
	handlerFor(target.endpoint, r.Method)(p, w, r, target)
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

// endpointHandler serves a request whose path has been read.
type endpointHandler func(p *Proxy, w http.ResponseWriter, r *http.Request, target path)

func handlerFor(e endpoint, method string) endpointHandler {
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case e >= endpointReferrers && !read:
		return (*Proxy).refuseMethod
	case e >= endpointReferrers:
		return queryHandler(e)
	case e == endpointManifests && method == http.MethodPut:
		return (*Proxy).putManifest
	case e == endpointManifests && method == http.MethodDelete:
		return (*Proxy).deleteManifest
	case e == endpointManifests && read:
		return (*Proxy).showManifest
	case e == endpointTags:
		return (*Proxy).listTags
	case e == endpointToken:
		return (*Proxy).passToken
	default:
		return (*Proxy).passthrough
	}
}

// queryHandler returns what answers an endpoint that can only be read.
func queryHandler(e endpoint) endpointHandler {
	switch e {
	case endpointGraphReferrers:
		return (*Proxy).graphReferrers
	case endpointGraphParents:
		return (*Proxy).graphParents
	case endpointGraphTree:
		return (*Proxy).graphTree
	case endpointCatalogArtifacts:
		return (*Proxy).catalogArtifacts
	case endpointCatalogTags:
		return (*Proxy).catalogTags
	case endpointDiscovery:
		return (*Proxy).discover
	default:
		return (*Proxy).listReferrers
	}
}

func (p *Proxy) refuseMethod(w http.ResponseWriter, r *http.Request, _ path) {
	p.fail(w, r, &oci.Error{
		Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported,
		Message: "this can only be read: use GET",
		Header:  http.Header{"Allow": {"GET, HEAD"}},
	})
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
