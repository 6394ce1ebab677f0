package split

import (
	"encoding/json"
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
	if unavailable := (*oci.Error)(nil); oci.IsReferrersTag(q.reference) && errors.As(err, &unavailable) {
		// What a list in the second registry has the index has, since it was pushed by here:
		// listings, for which the tag is asked for, don't need it.
		q.Log.Warn("a referrers tag can't be looked for", zap.String("repository", q.repository), zap.Error(err))
		return resp, nil
	}
	switch {
	case err != nil:
		discard(resp)
		return nil, err
	case !may:
		return resp, nil
	}
	discard(resp)
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
		if m, found, err = each.manifest(q.like.Context(), q.reference); found || err != nil {
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
	p, err := readParts(found.Body)
	if err == nil && p.subject() != "" {
		return p.subject()
	}
	return oci.SubjectOf(q.reference)
}

// parts are what a manifest names, in all kinds of manifests.
type parts struct {
	Config    *part  `json:"config"`
	Layers    []part `json:"layers"`
	Blobs     []part `json:"blobs"`
	Manifests []part `json:"manifests"`
	Subject   *part  `json:"subject"`
}

// part is a descriptor (image-spec, "OCI Content Descriptors").
type part struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	URLs      []string      `json:"urls"`
}

// errParts means that a manifest names too much, or something by no digest.
var errParts = errors.New("it names more than is brought, or something by no digest")

// maxParts is how much one manifest may name.
const maxParts = 10_000

// readParts reads what a manifest names.
func readParts(body []byte) (parts, error) {
	var p parts
	if err := json.Unmarshal(body, &p); err != nil {
		return parts{}, err
	}
	all := append(p.blobs(), p.Manifests...)
	if p.Subject != nil {
		all = append(all, *p.Subject)
	}
	if len(all) > maxParts {
		return parts{}, errParts
	}
	for _, named := range all {
		if oci.CheckDigest(named.Digest) != nil {
			return parts{}, errParts
		}
	}
	return p, nil
}

// subject returns the digest of the subject; empty where there is none.
func (p parts) subject() digest.Digest {
	if p.Subject == nil {
		return ""
	}
	return p.Subject.Digest
}

// blobs returns the blobs that a manifest names.
func (p parts) blobs() []part {
	var all []part
	if p.Config != nil {
		all = append(all, *p.Config)
	}
	return append(append(all, p.Layers...), p.Blobs...)
}
