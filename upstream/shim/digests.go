package shim

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Aliases keep, durably, by which digest the registry has a blob that was pushed by a
// digest of another algorithm. They may be used concurrently.
type Aliases interface {
	// Alias returns the registry's digest; empty where none is known.
	Alias(ctx context.Context, repository string, named digest.Digest) (digest.Digest, error)
	SetAlias(ctx context.Context, repository string, named, kept digest.Digest) error
}

// digests is the shim for registries that take a blob by the digest of any algorithm,
// and have it by one of their own from then on: CNCF Distribution 2 and 3, and those
// made of it, verify a sha512 and keep a sha256. What such a registry answers to the
// push says by which, and is kept before the client hears of it.
type digests struct {
	aliases Aliases
	next    upstream.Sender
}

// Send implements [upstream.Sender].
func (d digests) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	t := upstream.TargetOf(req)
	if t.Endpoint == upstream.EndpointManifests {
		return d.next.Send(as, req)
	}
	query := req.URL.Query()
	switch named := digest.Digest(t.Reference); {
	case t.Endpoint == upstream.EndpointBlobs && foreign(named):
		return d.blob(as, req, t, named)
	case t.Endpoint == upstream.EndpointUploads && req.Method == http.MethodPost && foreign(digest.Digest(query.Get("mount"))):
		return d.mount(as, req, t, query)
	case ends(req, t, query) && foreign(digest.Digest(query.Get("digest"))):
		return d.push(as, req, t, digest.Digest(query.Get("digest")))
	default:
		return d.next.Send(as, req)
	}
}

// ends tells whether a request may end an upload: by whatever URL the registry gave to
// it. Nothing is learnt from a push of something else, nor where a digest is given twice,
// which leaves open the one that the registry verifies.
func ends(req *http.Request, t upstream.Target, query url.Values) bool {
	switch t.Endpoint {
	case upstream.EndpointOther, upstream.EndpointUploads, upstream.EndpointUpload:
	default:
		return false
	}
	return (req.Method == http.MethodPut || req.Method == http.MethodPost) && len(query["digest"]) == 1
}

// foreign tells whether something is a digest of another algorithm than the one that
// all registries have.
func foreign(named digest.Digest) bool {
	return named != "" && oci.CheckDigest(named) == nil && named.Algorithm() != digest.Canonical
}

// blob reads or deletes a blob. What is known of a deleted one stays true, and spares
// it the question by its own digest, to which Distribution 2.8 answers 500 then.
func (d digests) blob(as upstream.Credentials, req *http.Request, t upstream.Target, named digest.Digest) (*http.Response, error) {
	kept, err := d.aliases.Alias(req.Context(), t.Repository, named)
	if err != nil {
		return nil, err
	}
	if kept == "" {
		return d.unknown(as, req, named)
	}
	retarget(req, blobURL(t.Repository, kept).Path)
	resp, err := d.next.Send(as, req)
	if err != nil {
		return nil, err
	}
	call(resp, named, kept)
	return resp, nil
}

// unknown asks the registry for a blob of which nothing is known. One that takes no
// digest of the algorithm has none.
func (d digests) unknown(as upstream.Credentials, req *http.Request, named digest.Digest) (*http.Response, error) {
	ask := upstream.Aside(req, req.Method, req.URL)
	resp, err := d.next.Send(as, req)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		return resp, err
	}
	upstream.Discard(resp)
	return upstream.Refusal(ask, http.StatusNotFound, "BLOB_UNKNOWN", "the registry has no blob "+named.String()), nil
}

// push ends an upload.
func (d digests) push(as upstream.Credentials, req *http.Request, t upstream.Target, named digest.Digest) (*http.Response, error) {
	ctx := req.Context()
	if len(req.Header["Content-Type"]) > 0 {
		// In a form the registry could read another digest (package net/http,
		// Request.FormValue).
		req.Header = req.Header.Clone()
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := d.next.Send(as, req)
	if err != nil || resp.StatusCode != http.StatusCreated {
		return resp, err
	}
	return orDiscard(resp, d.note(ctx, resp, t.Repository, named))
}

// mount mounts a blob from another repository by what the registry calls it there.
func (d digests) mount(as upstream.Credentials, req *http.Request, t upstream.Target, query url.Values) (*http.Response, error) {
	ctx, named := req.Context(), digest.Digest(query.Get("mount"))
	from := query.Get("from")
	if from == "" {
		// Which repository has it is for the registry to find; what is known is this one.
		from = t.Repository
	}
	kept, err := digest.Digest(""), error(nil)
	if oci.ValidRepository(from) {
		kept, err = d.aliases.Alias(ctx, from, named)
	}
	if err != nil {
		return nil, err
	}
	if kept == "" {
		// What the registry has then instead is of a digest that the request has beside.
		return d.next.Send(as, req)
	}
	query.Set("mount", kept.String())
	req.URL.RawQuery = query.Encode()
	resp, err := d.next.Send(as, req)
	if err != nil || resp.StatusCode != http.StatusCreated || stated(resp) != kept {
		return resp, err
	}
	return orDiscard(resp, d.note(ctx, resp, t.Repository, named))
}

// note keeps by which digest the registry has what it says that it has now, and calls
// that by the digest of the client.
func (d digests) note(ctx context.Context, resp *http.Response, repository string, named digest.Digest) error {
	location := locationOf(resp)
	if location.Endpoint == upstream.EndpointBlobs {
		// An upload may have a URL that names no repository.
		repository = location.Repository
	}
	kept := stated(resp)
	if oci.CheckDigest(kept) != nil || kept.Algorithm() == named.Algorithm() {
		return nil
	}
	if err := d.aliases.SetAlias(context.WithoutCancel(ctx), repository, named, kept); err != nil {
		return err
	}
	call(resp, named, kept)
	return nil
}

// stated returns by which digest the registry says that it has something.
func stated(resp *http.Response) digest.Digest {
	if named := digest.Digest(resp.Header.Get("Docker-Content-Digest")); oci.CheckDigest(named) == nil {
		return named
	}
	return digest.Digest(locationOf(resp).Reference)
}

// locationOf returns what the Location of a response is about.
func locationOf(resp *http.Response) upstream.Target {
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return upstream.Target{}
	}
	at := strings.Index(location.Path, "/v2/")
	if at < 0 {
		return upstream.Target{}
	}
	return upstream.TargetOf(&http.Request{URL: &url.URL{Path: location.Path[at:]}})
}

// call names in the header of a response what the registry has by another digest as
// the client did.
func call(resp *http.Response, named, kept digest.Digest) {
	if resp.Header.Get("Docker-Content-Digest") == kept.String() {
		resp.Header.Set("Docker-Content-Digest", named.String())
	}
	if before, found := strings.CutSuffix(resp.Header.Get("Location"), "/blobs/"+kept.String()); found {
		resp.Header.Set("Location", before+"/blobs/"+named.String())
	}
}

// retarget has a request go to another path.
func retarget(req *http.Request, path string) {
	req.URL.Path, req.URL.RawPath = path, ""
}

// orDiscard returns a response, or the error of what had to be done with it.
func orDiscard(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		upstream.Discard(resp)
		return nil, err
	}
	return resp, nil
}
