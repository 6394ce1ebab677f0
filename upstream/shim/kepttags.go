package shim

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// taken returns the kept tag that a push writes, by its reference or by its query, and
// under which another manifest is kept: by that tag alone it is found, so that who moves
// it takes away what others pushed, and what tags stand for that rules lock. Empty is
// for none.
func (k kept) taken(ctx context.Context, p *pushed, again func() (io.ReadCloser, error)) (string, error) {
	written := p.like.URL.Query()["tag"]
	if _, byDigest := p.Digest(); !byDigest {
		written = append(written, p.Reference)
	}
	slices.Sort(written)
	for _, tag := range slices.Compact(written) {
		if !oci.IsKeptTag(tag) {
			continue
		}
		if body, err := reread(again, maxKept); err == nil && keptBy(tag, body) {
			continue
		}
		held, err := k.holds(ctx, p.as, p.Repository, tag)
		if held || err != nil {
			return tag, err
		}
	}
	return "", nil
}

// keptBy tells whether a kept tag is that of a manifest.
func keptBy(tag string, body []byte) bool {
	algorithm, _, _ := strings.Cut(tag, "-")
	return digest.Algorithm(algorithm).Available() && oci.KeptTag(digest.Algorithm(algorithm).FromBytes(body)) == tag
}

// holds tells whether a manifest is kept under a kept tag. It is not to who may not
// read it.
func (k kept) holds(ctx context.Context, as upstream.Credentials, repository, tag string) (bool, error) {
	found, err := k.next.Manifest(ctx, as.For(repository), repository, tag, maxKept)
	switch {
	case unsure(err):
		return false, err
	case err != nil:
		return false, nil //nolint:nilerr // There is nothing that can be read by it.
	case !isEnvelope(found.Body):
		return keptBy(tag, found.Body), nil
	}
	e, err := decodeEnvelope(found.Body)
	if errors.Is(err, errNoEnvelope) {
		return false, nil
	}
	return oci.KeptTag(e.Named) == tag, err
}
