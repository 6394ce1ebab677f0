package upstream

import (
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Endpoint is what of the distribution specification a request is about.
type Endpoint uint8

// The endpoints.
const (
	// EndpointOther is anything else.
	EndpointOther Endpoint = iota
	EndpointManifests
	EndpointBlobs
	// EndpointUploads is the place where uploads begin, and EndpointUpload one that is
	// under way, as Distribution and its relatives name it. Registries may give any
	// other URL to one.
	EndpointUploads
	EndpointUpload
	EndpointTags
	EndpointReferrers
)

// Target is what a request is about, as a [Sender] sees it.
type Target struct {
	Endpoint   Endpoint
	Repository string
	// Reference is the tag or digest of a manifest, the digest of a blob, that of the
	// subject of referrers, or what names an upload.
	Reference string
}

// TargetOf reads a request. What is no valid repository, tag or digest is
// [EndpointOther]: the registry says so.
func TargetOf(req *http.Request) Target {
	path, below := strings.CutPrefix(req.URL.Path, "/v2/")
	if !below {
		return Target{}
	}
	t := splitTarget(path)
	if !oci.ValidRepository(t.Repository) {
		return Target{}
	}
	isDigest := oci.CheckDigest(digest.Digest(t.Reference)) == nil
	switch t.Endpoint {
	case EndpointManifests:
		if !isDigest && !oci.ValidTag(t.Reference) {
			return Target{}
		}
	case EndpointBlobs, EndpointReferrers:
		if !isDigest {
			return Target{}
		}
	case EndpointOther, EndpointUploads, EndpointUpload, EndpointTags:
	}
	return t
}

// splitTarget reads a path below /v2/ from its end, where the words of an endpoint are.
func splitTarget(path string) Target {
	if repository, lists := strings.CutSuffix(path, "/tags/list"); lists {
		return Target{EndpointTags, repository, ""}
	}
	if repository, begins := strings.CutSuffix(strings.TrimSuffix(path, "/"), "/blobs/uploads"); begins {
		return Target{EndpointUploads, repository, ""}
	}
	at := strings.LastIndexByte(path, '/')
	if at < 0 {
		return Target{}
	}
	before, last := path[:at], path[at+1:]
	for _, e := range []struct {
		suffix   string
		endpoint Endpoint
	}{
		{"/manifests", EndpointManifests}, {"/blobs/uploads", EndpointUpload}, {"/blobs", EndpointBlobs}, {"/referrers", EndpointReferrers},
	} {
		if repository, found := strings.CutSuffix(before, e.suffix); found {
			return Target{e.endpoint, repository, last}
		}
	}
	return Target{}
}

// Digest returns the digest that the request names, if that is one.
func (t Target) Digest() (digest.Digest, bool) {
	named := digest.Digest(t.Reference)
	return named, oci.CheckDigest(named) == nil
}
