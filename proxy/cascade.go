package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// The parameters of pushes and deletes that are backref's own. They don't reach the
// registry.
const (
	// paramReferrers says of a delete what becomes of the referrers: delete or keep.
	paramReferrers = "referrers"
	// paramReplaces says of a push which referrers it takes the place of.
	paramReplaces = "replaces"
)

// cascadeOf reads what a delete says of the referrers, and returns the query that
// is left.
func cascadeOf(rawQuery string) (asked registry.Cascade, rest string, err error) {
	query, err := readOwn(rawQuery, paramReferrers)
	if err != nil || !query.Has(paramReferrers) {
		return asked, rawQuery, err
	}
	patterns := query[index.ParamArtifactType]
	switch word := query.Get(paramReferrers); word {
	case "delete":
		asked.Asked = true
	case "keep":
		asked.Refused = true
	default:
		return asked, "", oci.BadRequest(oci.CodeUnsupported, fmt.Sprintf("referrers is delete or keep, not %q", word))
	}
	if len(query[paramReferrers]) > 1 || asked.Refused && len(patterns) > 0 {
		return asked, "", oci.BadRequest(oci.CodeUnsupported, "referrers is said once, and artifactType beside referrers=delete alone")
	}
	if asked.Types, err = policy.NewTypes(patterns); err != nil {
		return asked, "", oci.BadRequest(oci.CodeUnsupported, err.Error())
	}
	query.Del(paramReferrers)
	query.Del(index.ParamArtifactType)
	return asked, query.Encode(), nil
}

// replacesOf reads which referrers a push takes the place of, and returns the
// query that is left.
func replacesOf(rawQuery string) (replaces []digest.Digest, rest string, err error) {
	query, err := readOwn(rawQuery, paramReplaces)
	if err != nil || !query.Has(paramReplaces) {
		return nil, rawQuery, err
	}
	for _, text := range query[paramReplaces] {
		replaced := digest.Digest(text)
		if err := oci.CheckDigest(replaced); err != nil {
			return nil, "", oci.BadRequest(oci.CodeDigestInvalid, fmt.Sprintf("replaces names %q, which is no digest", text))
		}
		replaces = append(replaces, replaced)
	}
	query.Del(paramReplaces)
	return replaces, query.Encode(), nil
}

// readOwn reads a query that may have a parameter. One that can't be read whole and
// has no such name in it is the registry's affair: it is empty here.
func readOwn(rawQuery, name string) (url.Values, error) {
	query, err := url.ParseQuery(rawQuery)
	switch {
	case err == nil:
		return query, nil
	case strings.Contains(rawQuery, name):
		return nil, &index.QueryError{Param: "query", Reason: "encode ; as %3B and % as %25"}
	default:
		return nil, nil
	}
}

// withQuery returns a request with another query.
func withQuery(r *http.Request, rawQuery string) *http.Request {
	if rawQuery == r.URL.RawQuery {
		return r
	}
	other := *r
	target := *r.URL
	target.RawQuery = rawQuery
	other.URL = &target
	return &other
}

// widened has a client that is to sign in ask for all that a request needs which
// acts in several ways, and not for the part alone that the registry was asked
// about: else it would go on asking for one part after the other.
func widened(err error, repository string, actions ...policy.Action) error {
	var status *upstream.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusUnauthorized {
		return err
	}
	for _, action := range actions {
		status = status.Wanting(repository, string(action))
	}
	return status
}
