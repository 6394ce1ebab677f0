package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
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

// oneParam returns a parameter that may be given once.
func oneParam(values url.Values, name string) (string, error) {
	if len(values[name]) > 1 {
		return "", &index.QueryError{Param: name, Reason: "give it once"}
	}
	return values.Get(name), nil
}

// subject returns the manifest that the parameter subject names, by digest or
// by a tag, which the upstream resolves for the client. Whether the client may
// read in the repository is asked with it.
func (p *Proxy) subject(ctx context.Context, client *reader, values url.Values) (digest.Digest, error) {
	text, err := oneParam(values, paramSubject)
	if err != nil {
		return "", err
	}
	if subject, err := digest.Parse(text); err == nil {
		return subject, p.enter(ctx, client, subject)
	}
	if !oci.ValidTag(text) {
		return "", &index.QueryError{Param: paramSubject, Reason: "need a tag or a digest of the repository"}
	}
	subject, err := p.tagDigest(ctx, client, text)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return "", oci.NotFound(oci.CodeManifestUnknown, "subject: the registry has no such tag in this repository", err)
	case err != nil:
		return "", err
	}
	p.permit(client)
	return subject, nil
}

// tagDigest resolves a tag, as the client. Where the upstream does so, that is
// a permission, which is for the caller to note: many may ask at once.
func (p *Proxy) tagDigest(ctx context.Context, client *reader, tag string) (digest.Digest, error) {
	resolved, err := p.upstream.Resolve(ctx, client.as, client.repository, tag)
	if err == nil && resolved == "" {
		var manifest upstream.Manifest
		manifest, err = p.upstream.Manifest(ctx, client.as, client.repository, tag, int64(p.config.Limits.ManifestSize))
		resolved = manifest.Digest
	}
	return resolved, err
}

// records returns the records of manifests. Those that the index doesn't have
// are fetched as the client and recorded; those that the upstream doesn't have
// either are left out. The client has to be one that is permitted.
func (p *Proxy) records(ctx context.Context, client *reader, manifests []digest.Digest) (map[digest.Digest]index.Record, error) {
	for attempt := 1; ; attempt++ {
		records, err := p.readRecords(ctx, client, manifests)
		if !errors.Is(err, index.ErrStale) || attempt == maxAttempts {
			return records, err
		}
	}
}

func (p *Proxy) readRecords(ctx context.Context, client *reader, manifests []digest.Digest) (map[digest.Digest]index.Record, error) {
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	records := make(map[digest.Digest]index.Record, len(manifests))
	var unknown []digest.Digest
	for _, manifest := range manifests {
		record, err := p.store.Get(ctx, client.repository, manifest)
		switch {
		case errors.Is(err, index.ErrNotFound):
			unknown = append(unknown, manifest)
		case err != nil:
			return nil, err
		default:
			records[manifest] = record
		}
	}
	fetched, err := p.fetchManifests(ctx, client, unknown)
	if err != nil {
		return nil, err
	}
	var readable []index.Record
	for _, record := range fetched {
		records[record.Digest] = record
		if !record.Seen.IsZero() {
			readable = append(readable, record)
		}
	}
	if len(readable) == 0 {
		return records, nil
	}
	return records, p.store.Observe(ctx, mark, readable...)
}

// fetchManifests fetches what the upstream has of some manifests, as the
// client. One that can't be had whole, or be read as a manifest, has no more
// than its digest, media type and size, and no time at which it was seen.
func (p *Proxy) fetchManifests(ctx context.Context, client *reader, manifests []digest.Digest) ([]index.Record, error) {
	var mutex sync.Mutex
	var records []index.Record
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.config.Limits.UpstreamQueries)
	for _, manifest := range manifests {
		group.Go(func() error {
			fetched, err := p.upstream.Manifest(ctx, client.as, client.repository, manifest.String(), int64(p.config.Limits.ManifestSize))
			if errors.Is(err, upstream.ErrNotFound) || p.isBlob(ctx, client, manifest, err) {
				return nil
			}
			if err != nil && !errors.Is(err, upstream.ErrInvalid) {
				return err
			}
			record := index.Record{Repository: client.repository, Seen: p.now()}
			if err == nil {
				record.Manifest, err = p.manifestLimits().ParseServed(fetched.MediaType, manifest.Algorithm(), fetched.Body)
			}
			if err != nil {
				record = index.Record{Repository: client.repository, Manifest: index.Manifest{
					Digest: manifest, MediaType: fetched.MediaType, Size: int64(len(fetched.Body)),
				}}
			}
			mutex.Lock()
			defer mutex.Unlock()
			records = append(records, record)
			return nil
		})
	}
	err := group.Wait()
	return records, err
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
func (p *Proxy) sendJSON(w http.ResponseWriter, r *http.Request, document any, filters, link string) error {
	body, err := encodeJSON(document)
	if err != nil {
		return err
	}
	answer := newAnswer(mediaTypeJSON, body, filters, link)
	answer.write(w, r)
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
