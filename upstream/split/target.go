package split

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// endpoint is what of the distribution specification a request is about, as far as it
// matters here.
type endpoint uint8

const (
	// endpointOther is anything else.
	endpointOther endpoint = iota
	endpointManifests
	endpointBlobs
	endpointTags
	endpointReferrers
)

// target is what a request is about.
type target struct {
	endpoint   endpoint
	repository string
	// reference is the tag or digest of a manifest, the digest of a blob, or that of the
	// subject of referrers.
	reference string
}

// targetOf reads a request. What is no valid repository, tag or digest is
// endpointOther: the primary says so.
func targetOf(req *http.Request) target {
	path, below := strings.CutPrefix(req.URL.Path, "/v2/")
	if !below {
		return target{}
	}
	t := target{}
	if repository, tags := strings.CutSuffix(path, "/tags/list"); tags {
		t = target{endpointTags, repository, ""}
	} else if at := strings.LastIndexByte(path, '/'); at >= 0 {
		t.reference = path[at+1:]
		if repository, found := strings.CutSuffix(path[:at], "/manifests"); found {
			t.endpoint, t.repository = endpointManifests, repository
		} else if repository, found := strings.CutSuffix(path[:at], "/blobs"); found {
			t.endpoint, t.repository = endpointBlobs, repository
		} else if repository, found := strings.CutSuffix(path[:at], "/referrers"); found {
			t.endpoint, t.repository = endpointReferrers, repository
		}
	}
	isDigest := t.byDigest()
	switch {
	case !oci.ValidRepository(t.repository):
		return target{}
	case t.endpoint == endpointManifests && !isDigest && !oci.ValidTag(t.reference),
		(t.endpoint == endpointBlobs || t.endpoint == endpointReferrers) && !isDigest:
		return target{}
	}
	return t
}

// byDigest tells whether the request names a digest.
func (t target) byDigest() bool { return oci.CheckDigest(digest.Digest(t.reference)) == nil }

func manifestPath(repository, reference string) string {
	return "/v2/" + repository + "/manifests/" + reference
}

// aside returns a further request in the name of who sent one: with the credentials
// of that, and whatever else the registry may judge by, but nothing that is about its
// body, its answer, or a state of what it was about. Its context is the same.
func aside(req *http.Request, method string, to *url.URL) *http.Request {
	header := req.Header.Clone()
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Digest",
		"Expect", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range",
		"Te", "Trailer", "Transfer-Encoding",
	} {
		delete(header, name)
	}
	target := *to
	query := target.Query()
	if namespace := req.URL.Query().Get(paramNamespace); namespace != "" && !query.Has(paramNamespace) {
		query.Set(paramNamespace, namespace)
		target.RawQuery = query.Encode()
	}
	return (&http.Request{
		Method: method, URL: &target, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(req.Context())
}

// paramNamespace is the parameter by which a client of a mirror names the registry
// that it means.
const paramNamespace = "ns"
