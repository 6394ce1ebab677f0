package shim

import (
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// asked is the shim for registries that have a manifest by the digest that it was
// pushed by, of whatever algorithm, and call it by a sha256 all the same:
// go-containerregistry's, which crane serves. The header of the answer gets the digest
// that was asked for (distribution-spec, "Pulling manifests", "Pushing manifests").
//
// A registry may as well say by its own digest that it has the manifest by no other.
// So it is asked after a push, and only of a manifest that is of the digest.
type asked struct {
	next upstream.Sender
}

// Send implements [upstream.Sender].
func (a asked) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	t := upstream.TargetOf(req)
	named, byDigest := t.Digest()
	switch {
	case t.Endpoint != upstream.EndpointManifests, !byDigest, !foreign(named):
		return a.next.Send(as, req)
	case req.Method == http.MethodPut && req.GetBody != nil:
		return a.push(as, req, named)
	case !isRead(req):
		return a.next.Send(as, req)
	}
	resp, err := a.next.Send(as, req)
	if err == nil && resp.StatusCode == http.StatusOK && otherwise(resp, named) {
		resp.Header.Set("Docker-Content-Digest", named.String())
	}
	return resp, err
}

// push pushes a manifest by its digest.
func (a asked) push(as upstream.Credentials, req *http.Request, named digest.Digest) (*http.Response, error) {
	again, ask := req.GetBody, upstream.Aside(req, http.MethodHead, req.URL)
	ask.Header.Set("Accept", "*/*")
	resp, err := a.next.Send(as, req)
	if err != nil || resp.StatusCode != http.StatusCreated || !otherwise(resp, named) || !isOf(again, named) {
		return resp, err
	}
	// The push is done, whatever becomes of the question.
	has, err := a.next.Send(as, ask)
	if err != nil {
		return resp, nil //nolint:nilerr // The answer is as it came.
	}
	upstream.Discard(has)
	if has.StatusCode == http.StatusOK {
		resp.Header.Set("Docker-Content-Digest", named.String())
	}
	return resp, nil
}

// otherwise tells whether a response calls a manifest by a digest of another algorithm
// than the client did. One of the same algorithm is of another manifest.
func otherwise(resp *http.Response, named digest.Digest) bool {
	stated := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	return oci.CheckDigest(stated) == nil && stated.Algorithm() != named.Algorithm()
}

// isOf tells whether a body is of a digest.
func isOf(body func() (io.ReadCloser, error), named digest.Digest) bool {
	source, err := body()
	if err != nil {
		return false
	}
	defer func() { _ = source.Close() }()
	sum, err := named.Algorithm().FromReader(source)
	return err == nil && sum == named
}
