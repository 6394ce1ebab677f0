package shim

import (
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// isRead tells whether a request reads.
func isRead(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}

func manifestURL(repository, reference string) *url.URL {
	return &url.URL{Path: "/v2/" + repository + "/manifests/" + reference}
}

func blobURL(repository string, blob digest.Digest) *url.URL {
	return &url.URL{Path: "/v2/" + repository + "/blobs/" + blob.String()}
}
