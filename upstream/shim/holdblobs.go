package shim

import (
	"bytes"
	"io"
	"slices"

	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// holdBlobs has an envelope hold the blobs of a manifest that the registry took,
// although the manifest names them by other digests than the registry keeps them by:
// CNCF Distribution takes it, and its garbage collection drops the blobs all the same. By
// the envelope they are found again, too, where the index is lost. That it can't be made
// is for the operator to know: the push itself went well.
func (k kept) holdBlobs(p *pushed, again func() (io.ReadCloser, error)) {
	if k.aliases == nil || !mayNameForeign(again) || p.read(again, maxKept) != nil {
		return
	}
	parts, err := oci.ReadParts(p.body, maxParts)
	if err != nil || !slices.ContainsFunc(parts.AllBlobs(), func(named oci.Part) bool { return foreign(named.Digest) }) {
		return
	}
	ctx := p.like.Context()
	blobs, err := k.blobs(ctx, p, parts)
	if err == nil && renamed(blobs) {
		if p.mediaType == "" {
			p.mediaType = parts.MediaType
		}
		if err = k.free(ctx, p); err == nil {
			err = k.wrap(ctx, p, blobs, nil)
		}
	}
	if err != nil {
		k.Log.Warn("nothing holds the blobs that a manifest names by another digest than the registry's: its garbage collection may drop them",
			p.fields(zap.Error(err))...)
	}
}

// mayNameForeign tells whether a manifest may name something by a digest of another
// algorithm, which nearly none does.
func mayNameForeign(again func() (io.ReadCloser, error)) bool {
	body, err := upstream.ReadAgain(again, maxKept)
	return err == nil && (bytes.Contains(body, []byte("sha512:")) || bytes.Contains(body, []byte("sha384:")))
}

// renamed tells whether the registry keeps a blob by another digest than the one that
// the manifest names.
func renamed(blobs []envelopeBlob) bool {
	return slices.ContainsFunc(blobs, func(b envelopeBlob) bool { return b.Named != b.Kept })
}
