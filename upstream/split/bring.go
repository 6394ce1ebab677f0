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

// maxDepth is how deep indexes may lie within each other that are brought.
const maxDepth = 8

// carrier brings what a manifest needs from the primary to the second registry.
type carrier struct {
	*question
	ctx context.Context //nolint:containedctx // It is that of one push, and bounds all of it.
	// seen is what is there by now.
	seen map[digest.Digest]bool
}

// bring has the second registry have all that a manifest names, but for its subject:
// what it lacks is read from the primary as the client, and passed on as it is read.
func (q *question) bring(p *pushed) error {
	ctx := q.like.Context()
	if q.transfer > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.transfer)
		defer cancel()
	}
	err := (&carrier{q, ctx, map[digest.Digest]bool{}}).parts(p.Parts, 0)
	if err != nil && ctx.Err() != nil {
		return q.store.failed(err)
	}
	return err
}

// unknown is the refusal of a manifest that names what neither registry has.
func (c *carrier) unknown(named digest.Digest) error {
	return c.refuse(http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "the manifest names "+named.String()+", which is not there: push that first")
}

func (c *carrier) parts(p oci.Parts, depth int) error {
	for _, blob := range p.AllBlobs() {
		if c.seen[blob.Digest] {
			continue
		}
		c.seen[blob.Digest] = true
		if err := c.blob(blob); err != nil {
			return err
		}
	}
	for _, child := range p.Manifests {
		if c.seen[child.Digest] {
			continue
		}
		c.seen[child.Digest] = true
		if err := c.manifest(child.Digest, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// blob brings a blob. One that has URLs of its own need not be in a registry.
func (c *carrier) blob(named oci.Part) error {
	there, err := c.store.registry.HasBlob(c.ctx, c.store.service(), c.store.name, named.Digest)
	if err != nil {
		return c.store.failed(err)
	}
	for again := false; !there; again = true {
		source, err := c.source(named)
		if source == nil || err != nil {
			return err
		}
		err = c.store.registry.StreamBlob(c.ctx, c.store.service(), c.store.name, named.Digest, source.ContentLength, source.Body)
		_ = source.Body.Close()
		switch {
		case errors.Is(err, upstream.ErrBodySpent) && !again:
			// By now there is a token for it.
		case err != nil:
			return c.store.failed(err)
		default:
			there = true
		}
	}
	return nil
}

// source opens a blob of the primary; nil where it has none, and need not.
func (c *carrier) source(named oci.Part) (*http.Response, error) {
	resp, err := c.primary.OpenBlob(c.ctx, c.as, c.Repository, named.Digest, http.Header{"Accept-Encoding": {"identity"}})
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return resp, nil
	case resp.StatusCode == http.StatusNotFound && len(named.URLs) > 0:
		upstream.Discard(resp)
		return nil, nil
	case resp.StatusCode == http.StatusNotFound:
		upstream.Discard(resp)
		return nil, c.unknown(named.Digest)
	case resp.Request != nil && resp.Request.Response != nil:
		upstream.Discard(resp)
		return nil, fmt.Errorf("%w: blob %s of %s: %s where the registry redirects to", upstream.ErrUnreachable, named.Digest, c.Repository, resp.Status)
	default:
		return nil, told(resp)
	}
}

// manifest brings a manifest that an index names, with all that it names itself.
func (c *carrier) manifest(child digest.Digest, depth int) error {
	if depth > maxDepth {
		return c.refuse(http.StatusBadRequest, oci.CodeManifestInvalid, fmt.Sprintf("indexes lie within each other more than %d deep", maxDepth))
	}
	has, err := c.store.hasManifest(c.ctx, child)
	if err != nil || has {
		return err
	}
	found, err := c.primary.Manifest(c.ctx, c.as, c.Repository, child.String(), maxManifest)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return c.unknown(child)
	case err != nil:
		return err
	}
	named, err := oci.ReadParts(found.Body, maxParts)
	if err != nil {
		return c.refuse(http.StatusBadRequest, oci.CodeManifestInvalid, "the manifest names "+child.String()+", which can't be read: "+err.Error())
	}
	if err := c.parts(named, depth); err != nil {
		return err
	}
	if err := place(c.ctx, c.store.registry, c.store.service(), c.store.name, found); err != nil {
		return c.store.failed(err)
	}
	return nil
}

// place puts a manifest that one registry has into another, as part of what a client
// pushes there.
func place(ctx context.Context, to *upstream.Registry, as upstream.Credentials, repository string, m upstream.Manifest) error {
	return to.PutManifest(ctx, as, repository, m.Digest.String(), m.MediaType, m.Body)
}
