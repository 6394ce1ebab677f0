package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// ErrNoReplacing means that what answers for a registry took a manifest and does
// not know what it was to replace: nothing was replaced.
var ErrNoReplacing = errors.New("the registry replaces no referrers: use the address of a backref before it")

// Replaced is what became of the referrers whose place another one took.
type Replaced struct {
	// Gone are those that the registry has no more, and Pending those that are
	// listed no more and still to be deleted.
	Gone, Pending []digest.Digest
}

// Replace pushes a referrer by its digest, in the place of others with the same
// subject. It may be repeated. Errors: [ErrNoReplacing], and those of pushes.
func (r *Repository) Replace(ctx context.Context, m Manifest, others []digest.Digest) (Replaced, error) {
	query := url.Values{}
	for _, other := range others {
		query.Add("replaces", other.String())
	}
	fail := func(err error) (Replaced, error) {
		return Replaced{}, fmt.Errorf("replace by %s in %s/%s: %w", m.Digest, r.Reference.Host, r.Reference.Repository, err)
	}
	ctx = r.scoped(ctx, auth.ActionPull, auth.ActionPush, auth.ActionDelete)
	target := r.base + r.manifestPath(m.Digest.String()) + "?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, bytes.NewReader(m.Body))
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Content-Type", m.MediaType)
	resp, err := r.do(req, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return fail(err)
	}
	_ = resp.Body.Close()
	came := Replaced{Gone: digestsIn(resp.Header, "Backref-Replaced"), Pending: digestsIn(resp.Header, "Backref-Replacing")}
	if len(came.Gone)+len(came.Pending) == 0 {
		return fail(ErrNoReplacing)
	}
	return came, nil
}

func digestsIn(header http.Header, name string) []digest.Digest {
	var digests []digest.Digest
	for _, value := range header.Values(name) {
		digests = append(digests, digest.Digest(value))
	}
	return digests
}
