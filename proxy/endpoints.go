package proxy

import (
	"net/http"

	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy/ext"
)

// handler serves a request whose path has been read. An error that it returns
// has still to be told the client, see [Proxy.fail]: nothing was written.
type handler func(p *Proxy, w http.ResponseWriter, r *http.Request, target path) error

// route is how one method of an endpoint is served.
type route struct {
	need   need
	handle handler
}

// need is what a client has to be allowed for a request, in auth.mode service.
// The zero need is nobody's: it is that of a route that was forgotten.
type need struct {
	// action in the repository of the path. Where the path names none, to be
	// signed in is enough.
	action policy.Action
	// signedIn says that to be signed in is enough.
	signedIn bool
	// somewhere says that the client has to be signed in, or allowed to pull from
	// some repository.
	somewhere bool
	// everything says that only those who administer everything may: the
	// request is about no repository that the path names.
	everything bool
}

// family is a row of the table of endpoints.
type family struct {
	// read is for GET and HEAD, upload for the further methods of an upload, and
	// other for all methods that have no route.
	read, put, delete, upload, other route
	// answered says that backref answers it itself, whatever the registry is.
	answered bool
	// paged says that its n is bounded (limits.pageSize).
	paged bool
	// named says that a query may name the registry that is meant (ns).
	named bool
}

// endpointTable says of every endpoint how it is served: what a client has to
// be allowed, and who answers. An endpoint that is not in it is served nobody.
//
//	endpoint                     read       put        delete     upload     other
//	/v2/                         signed in  signed in  signed in  signed in  signed in
//	/v2/<name>/manifests/…       pull       push       delete     admin      admin
//	/v2/<name>/blobs/…           pull       admin      delete     admin      admin
//	/v2/<name>/blobs/uploads/…   push       push       push       push       admin
//	/v2/<name>/tags/list         pull       admin      admin      admin      admin
//	/v2/<name>/referrers/…       pull       405        405        405        405
//	/v2/<name>/_backref/…        pull       405        405        405        405
//	/v2/[<name>/]_oci/ext/…      pull       405        405        405        405
//	/v2/_catalog                 (*)        admin of everything
//	token, pages, other          admin of everything
//
// (*) To be signed in, or allowed to pull from some repository: what the client
// may pull is shown.
//
// Where there are pages they are served before the table is asked: they find out
// themselves who looks.
//
// To be signed in is enough for /v2/_oci/ext/discover, which names no
// repository. A method that is answered by 405 needs admin before.
func endpointTable() [endpointCount]family {
	pull, push, remove, admin := need{action: policy.Pull}, need{action: policy.Push}, need{action: policy.Delete}, need{action: policy.Admin}
	pass := func(n need) route { return route{n, (*Proxy).passthrough} }
	all := func(r route) family { return family{read: r, put: r, delete: r, upload: r, other: r} }
	answered := func(answer handler) family {
		f := all(route{admin, (*Proxy).refuseMethod})
		f.read = route{pull, answer}
		f.answered, f.paged, f.named = true, true, true
		return f
	}
	catalog := all(pass(need{everything: true}))
	catalog.read, catalog.paged = route{need{somewhere: true}, (*Proxy).listRepositories}, true
	tags := all(route{admin, (*Proxy).listTags})
	tags.read, tags.paged = route{pull, (*Proxy).listTags}, true
	return [endpointCount]family{
		endpointOther:   all(pass(need{everything: true})),
		endpointBase:    all(pass(need{signedIn: true})),
		endpointCatalog: catalog,
		endpointManifests: {
			read: route{pull, (*Proxy).showManifest}, put: route{push, (*Proxy).putManifest}, delete: route{remove, (*Proxy).deleteManifest},
			upload: pass(admin), other: pass(admin), named: true,
		},
		endpointTags:    tags,
		endpointBlobs:   {read: route{pull, (*Proxy).showBlob}, delete: route{remove, (*Proxy).deleteBlob}, put: pass(admin), upload: pass(admin), other: pass(admin)},
		endpointUploads: {read: pass(push), put: pass(push), delete: pass(push), upload: pass(push), other: pass(admin)},
		endpointToken:   all(route{need{everything: true}, (*Proxy).passToken}),
		endpointPages:   all(pass(need{everything: true})),

		endpointReferrers:        answered((*Proxy).listReferrers),
		endpointGraphReferrers:   answered(extended((*ext.Extension).GraphReferrers, byTypeOrLegacy)),
		endpointGraphParents:     answered(extended((*ext.Extension).GraphParents, ofAll)),
		endpointGraphTree:        answered(extended((*ext.Extension).GraphTree, ofAll)),
		endpointCatalogArtifacts: answered(extended((*ext.Extension).CatalogArtifacts, byType)),
		endpointCatalogTags:      answered(extended((*ext.Extension).CatalogTags, byType)),
		endpointNoticesFeed:      answered(extended((*ext.Extension).NoticesFeed, byType)),
		endpointDiscovery:        answered((*Proxy).discover),
	}
}

// routeOf returns the route of a request.
func (p *Proxy) routeOf(target path, method string) route {
	f := &p.endpoints[target.endpoint]
	switch method {
	case http.MethodGet, http.MethodHead:
		return f.read
	case http.MethodPut:
		return f.put
	case http.MethodDelete:
		return f.delete
	case http.MethodPost, http.MethodPatch:
		return f.upload
	default:
		return f.other
	}
}
