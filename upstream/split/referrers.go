package split

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// maxListing is the largest index of referrers that is answered with, in bytes
// (distribution-spec, "Listing Referrers").
const maxListing = 4 << 20

// listReferrers lists the referrers of a subject that the primary's own API knows and
// those that sources do, as one index. Who may not read in the primary gets what that
// answers itself, and no source is asked.
//
// A cache knows the referrers of its origin from nobody but that: without a source
// there is no listing that would not be short.
func (q *question) listReferrers(req *http.Request) (*http.Response, error) {
	ctx, subject := req.Context(), digest.Digest(q.Reference)
	may, err := q.mayRead(subject)
	switch {
	case err != nil:
		return nil, err
	case !may:
		return q.primary.Send(q.given, req)
	case len(q.sources) == 0:
		return nil, oci.Unavailable(http.StatusServiceUnavailable,
			"the registry behind this proxy is a cache (upstream.cache), which does not know the referrers that its origin has; the operator has to name the origin of this repository in referrers.sources",
			upstream.ErrUnreachable)
	}
	all, err := q.primary.Referrers(ctx, q.as, q.Repository, subject, q.Entries)
	if err != nil && !errors.Is(err, upstream.ErrNoReferrers) {
		return nil, err
	}
	for _, source := range q.sources {
		known, err := source.referrers(ctx, subject, q.Entries)
		if err != nil {
			return nil, err
		}
		all = append(all, known...)
	}
	body, err := encode(all)
	if err != nil {
		return nil, err
	}
	if len(body) > maxListing {
		return nil, oci.Unavailable(http.StatusBadGateway, fmt.Sprintf(
			"the registries behind this proxy list more referrers of this manifest than fit into %d MiB together", maxListing>>20), upstream.ErrUnreachable)
	}
	return q.answer(http.StatusOK, http.Header{"Content-Type": {oci.MediaTypeImageIndex}}, body), nil
}

// referrers asks a source what refers to a subject: its API, else what is under the
// referrers tag.
func (b *beside) referrers(ctx context.Context, subject digest.Digest, most int) ([]oci.Descriptor, error) {
	listed, err := b.registry.Referrers(ctx, b.service(), b.name, subject, most)
	var status *upstream.StatusError
	switch {
	case err == nil:
		return listed, nil
	case !errors.Is(err, upstream.ErrNoReferrers), errors.As(err, &status) && status.Denied():
		return nil, b.failed(err)
	}
	tagged, found, err := b.manifest(ctx, oci.ReferrersTag(subject))
	if err != nil || !found {
		return nil, err
	}
	listed, err = upstream.ParseIndex(tagged.Body, most)
	switch {
	case errors.Is(err, upstream.ErrNotIndex):
		return nil, nil // The tag is one like others.
	case err != nil:
		return nil, b.failed(err)
	}
	return listed, nil
}

// encode makes an index of entries, each once.
func encode(all []oci.Descriptor) ([]byte, error) {
	var entries [][]byte
	seen := map[digest.Digest]bool{}
	for _, each := range all {
		if seen[each.Digest] {
			continue
		}
		seen[each.Digest] = true
		entry, err := each.Encode()
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return oci.EncodeIndex(len(entries), func(i int) []byte { return entries[i] }), nil
}
