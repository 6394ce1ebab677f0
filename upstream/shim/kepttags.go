package shim

import (
	"context"
	"errors"
	"io"
	"net/http"
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
		if body, err := upstream.ReadAgain(again, maxKept); err == nil && keptBy(tag, body) {
			continue
		}
		held, err := k.holds(ctx, p.as, p.Repository, tag)
		if held || err != nil {
			return tag, err
		}
	}
	return "", nil
}

// matching has the conditions of a push by a tag (RFC 9110, section 13.1) name the
// envelope that the tag stands for, where they name what is in it: the registry knows
// that by no other.
func (k kept) matching(ctx context.Context, p *pushed, header http.Header) (http.Header, error) {
	names := []string{"If-Match", "If-None-Match"}
	if _, byDigest := p.Digest(); byDigest || len(header[names[0]])+len(header[names[1]]) == 0 {
		return header, nil
	}
	found, err := k.next.Manifest(ctx, p.as, p.Repository, p.Reference, maxKept)
	switch {
	case unsure(err):
		return nil, err
	case err != nil:
		return header, nil //nolint:nilerr // The condition is for the registry to judge.
	}
	e, err := decodeEnvelope(found.Body)
	if err != nil {
		return header, nil //nolint:nilerr // It is a manifest of the registry's own.
	}
	header = header.Clone()
	for _, name := range names {
		for i, value := range header[name] {
			header[name][i] = strings.ReplaceAll(value, e.Named.String(), found.Digest.String())
		}
	}
	return header, nil
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
