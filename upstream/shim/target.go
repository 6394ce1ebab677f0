package shim

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// endpoint is what of the distribution specification a request is about, as far as
// shims have to do with it.
type endpoint uint8

const (
	// endpointOther is anything else.
	endpointOther endpoint = iota
	endpointManifests
	endpointBlobs
	// endpointUploads is the place where uploads begin, and endpointUpload one that is
	// under way, as Distribution and its relatives name it. Registries may give any
	// other URL to one.
	endpointUploads
	endpointUpload
)

// target is what a request is about.
type target struct {
	endpoint   endpoint
	repository string
	// reference is the tag or digest of a manifest, or the digest of a blob.
	reference string
}

// targetOf reads a request. What is no valid repository, tag or digest is
// endpointOther: the registry says so.
func targetOf(req *http.Request) target {
	path, below := strings.CutPrefix(req.URL.Path, "/v2/")
	if !below {
		return target{}
	}
	t := split(path)
	if !oci.ValidRepository(t.repository) {
		return target{}
	}
	isDigest := oci.CheckDigest(digest.Digest(t.reference)) == nil
	if t.endpoint == endpointManifests && !isDigest && !oci.ValidTag(t.reference) || t.endpoint == endpointBlobs && !isDigest {
		return target{}
	}
	return t
}

// split reads a path below /v2/ from its end, where the words of an endpoint are.
func split(path string) target {
	if repository, begins := strings.CutSuffix(strings.TrimSuffix(path, "/"), "/blobs/uploads"); begins {
		return target{endpointUploads, repository, ""}
	}
	at := strings.LastIndexByte(path, '/')
	if at < 0 {
		return target{}
	}
	before, last := path[:at], path[at+1:]
	for _, e := range []struct {
		suffix   string
		endpoint endpoint
	}{{"/manifests", endpointManifests}, {"/blobs/uploads", endpointUpload}, {"/blobs", endpointBlobs}} {
		if repository, found := strings.CutSuffix(before, e.suffix); found {
			return target{e.endpoint, repository, last}
		}
	}
	return target{}
}

// digest returns the digest that the request names, if that is one.
func (t target) digest() (digest.Digest, bool) {
	named := digest.Digest(t.reference)
	return named, strings.Contains(t.reference, ":")
}

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
