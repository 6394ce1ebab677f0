package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
)

// maxReferrersPage is the largest page of the registry's own referrers that
// is read: the specification asks registries to stay below 4 MiB.
const maxReferrersPage = 8 << 20

// ParseIndex reads an image index of at most limit entries, each with a valid
// digest. Any other document, and one that names another media type, is
// [ErrInvalid]; one with more entries is [ErrTooMany] too, one that clients may read differently is
// [strictjson.ErrAmbiguous] too, one of another media type [ErrNotIndex].
func ParseIndex(body []byte, limit int) ([]oci.Descriptor, error) {
	if err := checkIndex(body, limit); err != nil {
		return nil, fmt.Errorf("%w: image index: %w", ErrInvalid, err)
	}
	var doc struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		Manifests     json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("%w: image index: %w", ErrInvalid, err)
	}
	if doc.SchemaVersion != 2 || doc.Manifests == nil || (doc.MediaType != "" && doc.MediaType != oci.MediaTypeImageIndex) {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, ErrNotIndex)
	}
	// A null, which encoders of Go make of an empty list, leaves it empty.
	var listed []struct {
		oci.Descriptor
		// What only backref's own answers have is nobody else's to say.
		Legacy json.RawMessage `json:"legacy"`
		Tag    json.RawMessage `json:"tag"`
	}
	if err := json.Unmarshal(doc.Manifests, &listed); err != nil {
		return nil, fmt.Errorf("%w: image index: %w", ErrInvalid, err)
	}
	if len(listed) > limit {
		return nil, fmt.Errorf("%w: image index: %w", ErrInvalid, ErrTooMany)
	}
	entries := make([]oci.Descriptor, 0, len(listed))
	for _, entry := range listed {
		if err := entry.Digest.Validate(); err != nil {
			return nil, fmt.Errorf("%w: image index names digest %q: %w", ErrInvalid, entry.Digest, err)
		}
		entries = append(entries, entry.Descriptor)
	}
	return entries, nil
}

// errNextPage marks an index whose next page can't be followed.
var errNextPage = errors.New("the next page can't be asked for")

// maxIndexDepth is far beyond what an entry of an index holds.
const maxIndexDepth = 64

// checkIndex makes sure, before anything is decoded, that an image index says
// one thing only and is within its bounds.
func checkIndex(body []byte, limit int) error {
	// A bound of 0 would be none: then the first entry is left to ParseIndex.
	entries := &strictjson.Bound{Name: "limits.tagEntries", Most: max(limit, 1)}
	entry := &strictjson.Shape{
		Fields: []strictjson.Field{
			{Name: "mediaType"}, {Name: "digest"}, {Name: "size"}, {Name: "artifactType"},
			{Name: "annotations", Shape: &strictjson.Shape{Every: true}},
		},
		Bound: entries,
	}
	index := &strictjson.Shape{Fields: []strictjson.Field{
		{Name: "schemaVersion"}, {Name: "mediaType"}, {Name: "manifests", Shape: entry},
	}}
	err := strictjson.Check(body, index, strictjson.Bound{Name: "the depth of an index", Most: maxIndexDepth})
	if err != nil && entries.Exceeded() {
		return fmt.Errorf("%w: %w", ErrTooMany, err)
	}
	return err
}

// Referrers asks the registry's own referrers API for all referrers of a
// subject, page after page, up to limit entries.
//
// [ErrNoReferrers] means that the registry doesn't have the API: it has it
// only where it answers 200 with the media type of an image index and a valid
// one, since registries answer all sorts of things to paths that they don't
// know. With [ErrNotFound] it may have the API and answer so for this subject;
// with a [*StatusError] that is denied, to this client. Other errors: [ErrInvalid] for a page after the first,
// [ErrTooMany], [*StatusError] for 429 and 5xx, [ErrUnreachable].
func (r *Registry) Referrers(ctx context.Context, as Credentials, repository string, subject digest.Digest, limit int) ([]oci.Descriptor, error) {
	var all []oci.Descriptor
	next := &url.URL{Path: "/v2/" + repository + "/referrers/" + subject.String()}
	for first := true; next != nil; first = false {
		page, following, err := r.referrersPage(ctx, as, next, limit-len(all))
		switch {
		case err != nil && first && unsupported(err):
			return nil, withoutAPI(err)
		case err != nil:
			return nil, fmt.Errorf("ask upstream for referrers of %s in %s: %w", subject, repository, err)
		}
		all = append(all, page...)
		if following != nil && len(page) == 0 {
			return nil, fmt.Errorf("ask upstream for referrers of %s in %s: %w: empty page with a next one", subject, repository, ErrInvalid)
		}
		next = following
	}
	return all, nil
}

// withoutAPI says that a registry has no referrers API. Where it may have answered
// so for the subject alone the error matches [ErrNotFound] too.
func withoutAPI(answer error) error {
	var status *StatusError
	if errors.As(answer, &status) && status.Status == http.StatusNotFound && !status.says("METHOD_UNKNOWN", "UNSUPPORTED") {
		return fmt.Errorf("%w: %w", ErrNoReferrers, answer)
	}
	if errors.Is(answer, ErrNotFound) {
		return ErrNoReferrers
	}
	return fmt.Errorf("%w: %w", ErrNoReferrers, answer)
}

// unsupported tells whether the answer to the first page comes from a
// registry that doesn't know the path. One that is an index, but not a usable
// one, comes from a registry that does: to leave it out would shorten a list.
func unsupported(err error) bool {
	switch {
	case errors.Is(err, strictjson.ErrAmbiguous), errors.Is(err, strictjson.ErrLimit), errors.Is(err, ErrTooMany), errors.Is(err, errNextPage):
		return false
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrNotFound), errors.Is(err, errTurnedAway):
		return true
	}
	var status *StatusError
	if !errors.As(err, &status) {
		return false
	}
	passing := status.Status == http.StatusTooManyRequests || status.Status == http.StatusRequestTimeout ||
		(status.Status >= 500 && status.Status != http.StatusNotImplemented)
	return !passing
}

func (r *Registry) referrersPage(ctx context.Context, as Credentials, page *url.URL, limit int) ([]oci.Descriptor, *url.URL, error) {
	header := http.Header{"Accept": {oci.MediaTypeImageIndex}}
	var entries []oci.Descriptor
	var next *url.URL
	here := *page
	err := r.ask(ctx, as, http.MethodGet, page, header, func(resp *http.Response) error {
		if mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || mediaType != oci.MediaTypeImageIndex {
			return fmt.Errorf("%w: Content-Type is %q", ErrInvalid, resp.Header.Get("Content-Type"))
		}
		body, err := readBody(resp, maxReferrersPage)
		if err != nil {
			return err
		}
		entries, err = ParseIndex(body, limit)
		if err != nil {
			return err
		}
		if next, err = r.NextPage(&here, resp.Header.Values("Link")); err != nil {
			return fmt.Errorf("%w: %w", errNextPage, err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return entries, next, nil
}

// NextPage finds the link to the page after here (RFC 8288), as a client of the
// registry would write it; nil where there is none. One that leads away from
// the registry is [ErrInvalid].
func (r *Registry) NextPage(here *url.URL, links []string) (*url.URL, error) {
	target, found := oci.NextLink(links)
	if !found {
		return nil, nil
	}
	parsed, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("%w: Link %q: %w", ErrInvalid, target, err)
	}
	next, ours := r.ClientPath(parsed)
	switch {
	case ours:
		return next, nil
	case !parsed.IsAbs() && parsed.Host == "" && parsed.User == nil:
		return here.ResolveReference(parsed), nil
	}
	return nil, fmt.Errorf("%w: Link leads away to %q", ErrInvalid, parsed.Host)
}
