package shim

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// locations is the shim for registries that don't say where what was pushed is:
// go-containerregistry's, which crane serves. The answer to a push that has no Location
// gets the one that the specification defines (distribution-spec, "Pushing blobs",
// "Pushing manifests"). Where the URL of an upload names no repository, it has none.
type locations struct {
	next upstream.Sender
}

// Send implements [upstream.Sender].
func (l locations) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	pushed := pushedTo(req)
	resp, err := l.next.Send(as, req)
	if err == nil && pushed != "" && resp.StatusCode == http.StatusCreated && resp.Header.Get("Location") == "" {
		resp.Header.Set("Location", pushed)
	}
	return resp, err
}

// pushedTo returns the path of what a request pushes, if that ends with it; empty for
// other requests.
func pushedTo(req *http.Request) string {
	if isRead(req) {
		return ""
	}
	t, query := upstream.TargetOf(req), req.URL.Query
	var blob string
	switch {
	case req.Method == http.MethodPut && t.Endpoint == upstream.EndpointManifests:
		return manifestURL(t.Repository, t.Reference).Path
	case req.Method == http.MethodPut && t.Endpoint == upstream.EndpointUpload:
		blob = query().Get("digest")
	case req.Method == http.MethodPost && t.Endpoint == upstream.EndpointUploads:
		if blob = query().Get("digest"); blob == "" {
			blob = query().Get("mount")
		}
	default:
		return ""
	}
	if oci.CheckDigest(digest.Digest(blob)) != nil {
		return ""
	}
	return blobURL(t.Repository, digest.Digest(blob)).Path
}
