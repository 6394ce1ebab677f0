package ext

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// Name begins the paths of the extension within a repository. No repository has
// a component that begins so.
const Name = "_backref"

// The endpoints of the extension, as paths have them behind [Name]: a component
// and a module (distribution-spec, extensions/README.md).
const (
	GraphReferrers   = "graph/referrers"
	GraphParents     = "graph/parents"
	GraphTree        = "graph/tree"
	CatalogArtifacts = "catalog/artifacts"
	CatalogTags      = "catalog/tags"
	NoticesFeed      = "notices/feed"
)

// Endpoints returns all endpoints of the extension.
func Endpoints() []string {
	return []string{GraphReferrers, GraphParents, GraphTree, CatalogArtifacts, CatalogTags, NoticesFeed}
}

// Options are what an [Extension] is made of. All are required but Order,
// Legacy and Feeds.
type Options struct {
	Registry *registry.Registry
	// Order is that of listings of referrers for which none is asked.
	Order index.Order
	// Legacy says that legacy referrers are shown where a query doesn't say.
	Legacy bool
	// Limits returns those of the moment.
	Limits func() Limits
	// Feeds tells whether news are kept for feeds; nil where they are not.
	Feeds func() bool
	// Forward sends a client's request to the upstream, as the door would. The
	// error is [ErrRefused] where the upstream refuses the door itself. Whoever
	// gets a response closes its body.
	Forward func(*http.Request) (*http.Response, error)
	// Send sends a page to the client, the paths in it as the client has to see
	// them.
	Send func(http.ResponseWriter, *http.Request, answer.Page)
}

// Limits bound what a request for the extension may take.
type Limits struct {
	// ResponseSize is the most bytes of a page.
	ResponseSize int
	// CatalogTags is the most tags of a repository that are looked up for one list.
	CatalogTags int
	// QueryTime is for how long the upstream is asked which extensions it has.
	QueryTime time.Duration
}

// ErrRefused means that the upstream refuses the credentials that the door has
// for all clients.
var ErrRefused = errors.New("the upstream refuses the credentials of the door")

// Extension answers the requests of the extension. It may be used concurrently.
type Extension struct {
	options  Options
	registry *registry.Registry
}

// New returns an extension. It fails where an option is missing.
func New(o Options) (*Extension, error) {
	if o.Registry == nil || o.Limits == nil || o.Forward == nil || o.Send == nil {
		return nil, errors.New("ext: all options but Order, Legacy and Feeds are required")
	}
	return &Extension{options: o, registry: o.Registry}, nil
}

// mediaTypeJSON is that of the answers of the extension.
const mediaTypeJSON = "application/json"

// The parameters of the extension beside those of [index.ParseQuery].
const (
	paramSubject = "subject"
	paramDigest  = "digest"
	paramDepth   = "depth"
	paramFrom    = "from"
	paramTo      = "to"
)

// subject returns the manifest that the parameter subject names, by digest or
// by a tag, which the upstream resolves for the caller. Whether the caller may
// read in the repository is asked with it.
func (e *Extension) subject(ctx context.Context, caller *registry.Caller, values url.Values) (digest.Digest, error) {
	text, err := answer.Once(values, paramSubject)
	if err != nil {
		return "", err
	}
	reference := registry.Reference{Tag: text}
	if subject, err := digest.Parse(text); err == nil {
		reference = registry.Reference{Digest: subject}
	} else if !oci.ValidTag(text) {
		return "", &index.QueryError{Param: paramSubject, Reason: "need a tag or a digest of the repository"}
	}
	subject, err := e.registry.Resolve(ctx, caller, reference)
	if reference.Tag != "" && errors.Is(err, upstream.ErrNotFound) {
		return "", oci.NotFound(oci.CodeManifestUnknown, "subject: the registry has no such tag in this repository", err)
	}
	return subject, err
}

// sendJSON writes an answer of the extension.
func (e *Extension) sendJSON(w http.ResponseWriter, r *http.Request, document any, filters []string, link string) error {
	body, err := encodeJSON(document)
	if err != nil {
		return err
	}
	e.options.Send(w, r, answer.New(mediaTypeJSON, body, filters, link))
	return nil
}

// encodeJSON encodes without the escapes that only HTML needs.
func encodeJSON(v any) ([]byte, error) {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(text.String(), "\n")), nil
}

// here returns where an endpoint answers a caller.
func here(caller *registry.Caller, endpoint string, values url.Values) *url.URL {
	return &url.URL{Path: pathOf(caller.Repository(), endpoint), RawQuery: values.Encode()}
}

// pathOf returns the path of an endpoint for a repository.
func pathOf(repository, endpoint string) string {
	return "/v2/" + repository + "/" + Name + "/" + endpoint
}
