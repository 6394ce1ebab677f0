package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// mediaTypeJSON is that of the answers of the extension.
const mediaTypeJSON = "application/json"

// maxListed is the most entries of a page of the extension.
const maxListed = 1000

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
func (p *Proxy) subject(ctx context.Context, caller *registry.Caller, values url.Values) (digest.Digest, error) {
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
	subject, err := p.registry.Resolve(ctx, caller, reference)
	if reference.Tag != "" && errors.Is(err, upstream.ErrNotFound) {
		return "", oci.NotFound(oci.CodeManifestUnknown, "subject: the registry has no such tag in this repository", err)
	}
	return subject, err
}

// pageLimit returns how many entries a page of the extension has at most.
func pageLimit(query index.Query) int {
	if query.Limit == 0 {
		return maxListed
	}
	return min(query.Limit, maxListed)
}

// entryList gathers the entries of a page up to a number and a size.
type entryList struct {
	entries         []json.RawMessage
	bytes           int
	limit, maxBytes int
}

func (p *Proxy) newEntryList(query index.Query) *entryList {
	return &entryList{limit: pageLimit(query), maxBytes: int(p.config.Limits.ResponseSize)}
}

// add adds an entry, and tells whether there was room for it. For the first
// there always is.
func (l *entryList) add(entry any) (bool, error) {
	encoded, err := encodeJSON(entry)
	if err != nil {
		return false, err
	}
	if n := len(l.entries); n > 0 && (n >= l.limit || l.bytes+len(encoded) > l.maxBytes) {
		return false, nil
	}
	l.entries = append(l.entries, encoded)
	l.bytes += len(encoded) + 1
	return true, nil
}

// MarshalJSON implements [json.Marshaler]. What is empty is an empty list.
func (l *entryList) MarshalJSON() ([]byte, error) {
	return encodeJSON(append([]json.RawMessage{}, l.entries...))
}

// sendJSON writes an answer of the extension.
func (p *Proxy) sendJSON(w http.ResponseWriter, r *http.Request, document any, filters []string, link string) error {
	body, err := encodeJSON(document)
	if err != nil {
		return err
	}
	sendPage(w, r, answer.New(mediaTypeJSON, body, filters, link))
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

// here returns the path of an endpoint of the extension.
func here(target path, values url.Values) *url.URL {
	return &url.URL{
		Path:     "/v2/" + target.repository + "/" + extensionName + "/" + target.endpoint.String(),
		RawQuery: values.Encode(),
	}
}
