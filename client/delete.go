package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/backref/backref/index"
)

// The outcomes of a [Deletion].
const (
	OutcomeDeleted = "deleted"
	OutcomeKept    = "kept"
	OutcomePending = "pending"
)

// Deletion is what became of a manifest with a delete, and why.
type Deletion struct {
	// Outcome is [OutcomeDeleted], [OutcomeKept], or [OutcomePending]: listed no
	// more, and still to be deleted.
	Outcome      string        `json:"outcome"`
	Digest       digest.Digest `json:"digest"`
	Subject      digest.Digest `json:"subject,omitempty"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Reason       string        `json:"reason,omitempty"`
}

// errNoCascade means that a registry deleted a manifest and took no referrer along.
var errNoCascade = errors.New("the manifest was deleted, its referrers were not: what answers is no backref")

// DeleteWithReferrers deletes a manifest with its direct and indirect referrers:
// of the direct ones those of a type that matches one of the patterns (see
// [oci.MatchGlob]), without patterns all. It fails before anything is deleted
// where what answers is no backref.
func (r *Repository) DeleteWithReferrers(ctx context.Context, manifest digest.Digest, types []string) ([]Deletion, error) {
	found, err := r.delete(ctx, manifest, types)
	if err != nil {
		return nil, fmt.Errorf("delete %s of %s/%s: %w", manifest, r.Reference.Host, r.Reference.Repository, err)
	}
	return found, nil
}

func (r *Repository) delete(ctx context.Context, manifest digest.Digest, types []string) ([]Deletion, error) {
	ctx = r.scoped(ctx, auth.ActionPull, auth.ActionDelete)
	extended, err := r.HasExtension(ctx)
	if err != nil {
		return nil, err
	}
	if !extended {
		return nil, errors.New("what answers is no backref, which would delete the manifest alone; nothing was deleted")
	}
	query := url.Values{"referrers": {"delete"}, index.ParamArtifactType: types}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, r.base+r.manifestPath(manifest.String())+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.do(req, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, errNoCascade
	}
	var answer struct{ Deleted, Kept, Pending []Deletion }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxManifest)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read what was deleted: %w", err)
	}
	var all []Deletion
	for outcome, some := range map[string][]Deletion{OutcomeDeleted: answer.Deleted, OutcomeKept: answer.Kept, OutcomePending: answer.Pending} {
		for i := range some {
			some[i].Outcome = outcome
		}
	}
	return append(append(append(all, answer.Deleted...), answer.Kept...), answer.Pending...), nil
}
