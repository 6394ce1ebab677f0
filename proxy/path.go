package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/ext"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream/routes"
)

// endpoint is a family of paths of the distribution specification.
type endpoint uint8

const (
	// endpointOther is a clean path outside the grammar below: registries
	// have endpoints of their own (token services, upload locations), and
	// these pass through.
	endpointOther endpoint = iota
	endpointBase
	endpointCatalog
	endpointManifests
	endpointTags
	endpointBlobs
	endpointUploads
	endpointToken
	endpointPages
	endpointReferrers
	// Those of the extension. Discovery is of a repository or of all.
	endpointGraphReferrers
	endpointGraphParents
	endpointGraphTree
	endpointCatalogArtifacts
	endpointCatalogTags
	endpointCoverageImages
	endpointNoticesFeed
	endpointDiscovery
	// endpointCount is how many there are.
	endpointCount
)

// String returns the name of the family as logs and metrics have it.
func (e endpoint) String() string {
	return [...]string{
		"other", "base", "catalog", "manifests", "tags", "blobs", "uploads", "token", "pages", "referrers",
		ext.GraphReferrers, ext.GraphParents, ext.GraphTree, ext.CatalogArtifacts, ext.CatalogTags, ext.CoverageImages, ext.NoticesFeed, "discovery",
	}[e]
}

// route returns the form of the paths of the family, as traces have it; empty where
// there is none.
func (e endpoint) route() string {
	const v2, name = "/v2/", "/v2/{name}/"
	switch e {
	case endpointBase:
		return v2
	case endpointCatalog:
		return v2 + "_catalog"
	case endpointManifests:
		return name + "manifests/{reference}"
	case endpointTags:
		return name + "tags/list"
	case endpointBlobs:
		return name + "blobs/{digest}"
	case endpointUploads:
		return name + "blobs/uploads/" + wrap.Secret
	case endpointToken:
		return realmPath
	case endpointPages:
		return pagesPath + "/{page}"
	case endpointReferrers:
		return name + "referrers/{digest}"
	case endpointGraphReferrers, endpointGraphParents, endpointGraphTree, endpointCatalogArtifacts, endpointCatalogTags, endpointCoverageImages, endpointNoticesFeed:
		return name + ext.Name + "/" + e.String()
	case endpointDiscovery:
		return "/v2/[{name}/]_oci/ext/discover"
	default:
		return ""
	}
}

// path is what the path of a request names. Its parts are valid: the
// repository matches the specification's grammar, a digest is well formed.
type path struct {
	endpoint   endpoint
	repository string
	// tag or digest, where the endpoint has a reference.
	tag    string
	digest digest.Digest
	// namespace is the registry that the client means, where it says so, and
	// foreign that it is not known to be the upstream.
	namespace string
	foreign   bool
	// passage says that the path is one to the registry of a route.
	passage bool
}

// reference returns the reference of a path that has one.
func (t path) reference() registry.Reference {
	return registry.Reference{Tag: t.tag, Digest: t.digest}
}

// scope returns what a path of a repository is about.
func (t path) scope() registry.Scope {
	return registry.Scope{Repository: t.repository, Namespace: t.namespace, Foreign: t.foreign}
}

// Errors of parsePath.
var (
	errPath       = errors.New("path is not allowed")
	errRepository = errors.New("repository name is not valid")
	errDigest     = errors.New("digest is not valid")
	errTag        = errors.New("tag is not valid")
)

// parsePath reads the path of a request. The last parts decide what it is, so
// a repository may be named like an endpoint.
func parsePath(u *url.URL) (path, error) {
	segments, err := splitPath(u)
	if err != nil {
		return path{}, err
	}
	if err := checkQuery(u.RawQuery); err != nil {
		return path{}, err
	}
	if u.Path == realmPath {
		return path{endpoint: endpointToken}, nil
	}
	if u.Path == pagesPath || strings.HasPrefix(u.Path, pagesPath+"/") {
		return path{endpoint: endpointPages}, nil
	}
	if rest, through := routes.Through(segments); through {
		return passagePath(rest)
	}
	e, name, reference := endpointOf(segments)
	switch e {
	case endpointManifests:
		return manifestPath(name, reference)
	case endpointReferrers, endpointBlobs:
		return digestPath(e, name, reference)
	case endpointTags, endpointUploads:
		return repositoryPath(e, name)
	case endpointOther:
		return path{endpoint: endpointOther}, disguised(segments)
	default:
		if len(name) > 0 {
			return repositoryPath(e, name)
		}
		return path{endpoint: e}, nil
	}
}

// passagePath reads what is behind a passage to the registry of a route. What is of a
// repository is reached by its name, and by that alone.
func passagePath(rest []string) (path, error) {
	switch e, name, _ := endpointOf(rest); {
	case e == endpointOther:
		return path{endpoint: e, passage: true}, disguised(rest)
	case e == endpointBase, e == endpointCatalog, e == endpointDiscovery && len(name) == 0:
		return path{endpoint: e, passage: true}, nil
	default:
		return path{}, fmt.Errorf("%w: it stands for another one", errPath)
	}
}

// endpointOf tells what a path is by the words that stand in it, the parts of
// the name before them, and what stands for a reference.
func endpointOf(segments []string) (e endpoint, name []string, reference string) {
	if segments[0] != "v2" {
		return endpointOther, nil, ""
	}
	rest := segments[1:]
	if e, name, ok := extensionPath(rest); ok {
		return e, name, ""
	}
	switch n := len(rest); {
	case n == 0 || n == 1 && rest[0] == "":
		return endpointBase, nil, ""
	case n == 1 && rest[0] == "_catalog":
		return endpointCatalog, nil, ""
	case n >= 3 && rest[n-2] == "manifests":
		return endpointManifests, rest[:n-2], rest[n-1]
	case n >= 3 && rest[n-2] == "referrers":
		return endpointReferrers, rest[:n-2], rest[n-1]
	case n >= 3 && rest[n-2] == "tags" && rest[n-1] == "list":
		return endpointTags, rest[:n-2], ""
	case n >= 4 && rest[n-3] == "blobs" && rest[n-2] == "uploads":
		return endpointUploads, rest[:n-3], ""
	case n >= 3 && rest[n-2] == "blobs" && rest[n-1] == "uploads":
		return endpointUploads, rest[:n-2], ""
	case n >= 3 && rest[n-2] == "blobs":
		return endpointBlobs, rest[:n-2], rest[n-1]
	default:
		return endpointOther, nil, ""
	}
}

// disguised refuses a path that is nothing to us but may be an endpoint to a
// registry that ignores case, parameters of segments, or a slash at the end, or
// that normalizes characters: what is pushed there would pass the index by.
func disguised(segments []string) error {
	plain := make([]string, 0, len(segments))
	for _, segment := range segments {
		segment, _, parameters := strings.Cut(segment, ";")
		if parameters && strings.Trim(segment, ".") == "" {
			return fmt.Errorf("%w: it has a dot segment", errPath)
		}
		plain = append(plain, strings.ToLower(segment))
	}
	if plain[0] == "v2" && slices.ContainsFunc(segments, notASCII) {
		return fmt.Errorf("%w: it has a character that is not ASCII", errPath)
	}
	if last := len(plain) - 1; last > 0 && plain[last] == "" {
		plain = plain[:last]
	}
	if e, _, _ := endpointOf(plain); e != endpointOther {
		return fmt.Errorf("%w: it stands for another one", errPath)
	}
	return nil
}

// extensionPath finds the endpoints of extensions: /v2/<name>/_backref/<component>/<module>
// and /v2/[<name>/]_oci/ext/discover.
func extensionPath(rest []string) (e endpoint, name []string, ok bool) {
	n := len(rest)
	switch {
	case n >= 3 && rest[n-3] == "_oci" && rest[n-2] == "ext" && rest[n-1] == "discover":
		return endpointDiscovery, rest[:n-3], true
	case n <= 3 || rest[n-3] != ext.Name:
		return 0, nil, false
	}
	name, module := rest[:n-3], rest[n-2]+"/"+rest[n-1]
	for _, e := range extensionEndpoints() {
		if e.String() == module {
			return e, name, true
		}
	}
	return 0, nil, false
}

// extensionEndpoints returns the endpoints of the extension, each called as in
// [ext.Endpoints].
func extensionEndpoints() []endpoint {
	return []endpoint{endpointGraphReferrers, endpointGraphParents, endpointGraphTree, endpointCatalogArtifacts, endpointCatalogTags, endpointCoverageImages, endpointNoticesFeed}
}

// splitPath returns the decoded segments of an absolute path. Whatever two
// readers of the path could take for different things is refused: empty
// segments but the last, dots, and encoded separators.
func splitPath(u *url.URL) ([]string, error) {
	escaped, absolute := strings.CutPrefix(u.EscapedPath(), "/")
	if !absolute {
		return nil, fmt.Errorf("%w: it does not begin with a slash", errPath)
	}
	segments := strings.Split(escaped, "/")
	for i, segment := range segments {
		if asItStands(segment) {
			continue
		}
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errPath, err)
		}
		switch {
		case decoded == "" && i < len(segments)-1:
			return nil, fmt.Errorf("%w: it has an empty segment", errPath)
		case decoded == "." || decoded == "..":
			return nil, fmt.Errorf("%w: it has a dot segment", errPath)
		case strings.ContainsAny(decoded, "/\\") || strings.Contains(segment, "%25"):
			return nil, fmt.Errorf("%w: it has an encoded separator", errPath)
		case !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, unicode.IsControl):
			return nil, fmt.Errorf("%w: it has a byte that is no text", errPath)
		}
		segments[i] = decoded
	}
	return segments, nil
}

// asItStands tells whether a segment is of letters, digits and what else names, tags and
// digests are made of, and no dot segment: as it stands, to every reader.
func asItStands(segment string) bool {
	for i := range len(segment) {
		switch c := segment[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', c == ':', c == '-', c == '_':
		case c == '.' && i > 0 && segment[0] != '.':
		default:
			return false
		}
	}
	return segment != ""
}

// checkQuery refuses what no query may hold unencoded (RFC 3986, section 3.4),
// as far as it could end the query, or the line that it stands in: HTTP/2 lets
// a space pass, and to HTTP/1.1 it is the end.
func checkQuery(query string) error {
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return fmt.Errorf("%w: its query has a character that has to be percent-encoded", errPath)
		}
	}
	return nil
}

func notASCII(segment string) bool {
	return strings.ContainsFunc(segment, func(c rune) bool { return c > unicode.MaxASCII })
}

func repositoryPath(e endpoint, name []string) (path, error) {
	repository := strings.Join(name, "/")
	if !oci.ValidRepository(repository) {
		return path{}, fmt.Errorf("%w: %q", errRepository, repository)
	}
	return path{endpoint: e, repository: repository}, nil
}

func digestPath(e endpoint, name []string, reference string) (path, error) {
	p, err := repositoryPath(e, name)
	if err != nil {
		return path{}, err
	}
	p.digest = digest.Digest(reference)
	if err := oci.CheckDigest(p.digest); err != nil {
		return path{}, fmt.Errorf("%w: %q: %w", errDigest, reference, err)
	}
	return p, nil
}

func manifestPath(name []string, reference string) (path, error) {
	if strings.Contains(reference, ":") {
		return digestPath(endpointManifests, name, reference)
	}
	p, err := repositoryPath(endpointManifests, name)
	if err != nil {
		return path{}, err
	}
	if !oci.ValidTag(reference) {
		return path{}, fmt.Errorf("%w: %q", errTag, reference)
	}
	p.tag = reference
	return p, nil
}
