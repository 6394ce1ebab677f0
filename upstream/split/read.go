package split

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// readManifest serves a manifest: the primary's own, else that of another registry.
func (q *question) readManifest(req *http.Request) (*http.Response, error) {
	resp, err := q.primary.Send(q.given, req)
	if err != nil || resp.StatusCode != http.StatusNotFound {
		return resp, err
	}
	found, may, err := q.shown(q.readable())
	if unavailable := (*oci.Error)(nil); oci.IsReferrersTag(q.Reference) && errors.As(err, &unavailable) {
		// What a list in the second registry has the index has, since it was pushed by here:
		// listings, for which the tag is asked for, don't need it.
		q.Log.Warn("a referrers tag can't be looked for", zap.String("repository", q.Repository), zap.Error(err))
		return resp, nil
	}
	switch {
	case err != nil:
		upstream.Discard(resp)
		return nil, err
	case !may:
		return resp, nil
	}
	upstream.Discard(resp)
	return q.answer(http.StatusOK, http.Header{
		"Content-Type":          {found.MediaType},
		"Docker-Content-Digest": {found.Digest.String()},
		"Etag":                  {strconv.Quote(found.Digest.String())},
	}, found.Body), nil
}

// shown fetches the manifest that q is about from the first of some registries that has
// it, and tells whether there is one that who asks may see.
func (q *question) shown(at []*beside) (m upstream.Manifest, may bool, err error) {
	found := false
	for _, each := range at {
		if m, found, err = each.manifest(q.like.Context(), q.Reference); found || err != nil {
			break
		}
	}
	if err != nil {
		return m, false, err
	}
	subject := hidden()
	if found {
		subject = q.subjectOf(m)
	}
	may, err = q.mayRead(subject)
	return m, may && found, err
}

// subjectOf returns the manifest in the primary that one of another registry is about:
// its subject, or that of the list which a referrers tag stands for.
func (q *question) subjectOf(found upstream.Manifest) digest.Digest {
	p, err := oci.ReadParts(found.Body, maxParts)
	if err == nil && p.SubjectDigest() != "" {
		return p.SubjectDigest()
	}
	return oci.SubjectOf(q.Reference)
}

// maxParts is how much one manifest may name.
const maxParts = 10_000
