package shim

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// maxKept is the largest manifest that is kept, in bytes.
const maxKept = 16 << 20

// maxVerdicts is of how many manifests it is remembered whether they are envelopes.
const maxVerdicts = 10_000

// Envelopes say how manifests are kept that the registry refuses.
type Envelopes struct {
	// Log is told what is kept, and what can't be; nil is for nobody.
	Log *zap.Logger
}

// kept is the shim for registries that refuse a manifest of which they have all parts:
// because of its media type, its artifact type, its config, the subject that isn't
// there yet, or the digest that it is pushed by. It is kept under a tag of its own, see
// [oci.KeptTag]: as it is, where that is all that the registry minds, else in an
// [envelope]. By that tag it is found again, whatever becomes of the index.
//
//	refused push    keep.go       keeps it
//	accepted push   holdblobs.go  holds blobs that it names by other digests than the registry
//	missing digest  keptread.go   serves it
//	tag             keptread.go   serves what is in an envelope
//	deleted digest  keptdelete.go deletes it
type kept struct {
	Envelopes
	// aliases may be nil.
	aliases Aliases
	next    *upstream.Registry
	// verdicts has what is known of manifests by the registry's digest.
	verdicts *otter.Cache[digest.Digest, verdict]
	// learned has the envelopes, by repository and digest, whose aliases are known.
	learned *otter.Cache[string, struct{}]
}

// verdict says whether a manifest is an envelope, and of what; the blobs are left out.
type verdict struct {
	envelope
	is bool
}

// judged remembers what a manifest was decoded as.
func (k kept) judged(manifest digest.Digest, e envelope, err error) {
	e.Blobs = nil
	k.verdicts.Set(manifest, verdict{e, err == nil})
}

func newKept(o Envelopes, aliases Aliases, next *upstream.Registry) kept {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return kept{
		o, aliases, next,
		otter.Must(&otter.Options[digest.Digest, verdict]{MaximumSize: maxVerdicts}), otter.Must(&otter.Options[string, struct{}]{MaximumSize: maxVerdicts}),
	}
}

// Send implements [upstream.Sender].
func (k kept) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	t := upstream.TargetOf(req)
	named, byDigest := t.Digest()
	switch {
	case t.Endpoint != upstream.EndpointManifests:
		return k.next.Send(as, req)
	case req.Method == http.MethodPut:
		return k.push(as, req, t)
	case isRead(req) && byDigest:
		return k.read(as, req, t, named)
	case isRead(req):
		return k.readTag(as, req, t)
	case req.Method == http.MethodDelete && byDigest:
		return k.remove(as, req, t, named)
	default:
		return k.next.Send(as, req)
	}
}

// holding is a manifest that is kept under its tag.
type holding struct {
	envelope
	// in is the digest of what the registry has under the tag: an envelope, or the
	// manifest itself.
	in digest.Digest
	// body is the manifest; nil where it was not asked for.
	body []byte
}

// find fetches the manifest that is kept by its digest. Where none is, the error is
// [upstream.ErrNotFound].
func (k kept) find(ctx context.Context, as upstream.Credentials, repository string, named digest.Digest) (holding, error) {
	found, err := k.locate(ctx, as, repository, named)
	if err != nil || found.body != nil {
		return found, err
	}
	found.body, err = k.open(ctx, as, repository, found.envelope)
	return found, err
}

// locate is find without the body of what is in an envelope.
func (k kept) locate(ctx context.Context, as upstream.Credentials, repository string, named digest.Digest) (holding, error) {
	found, err := k.next.Manifest(ctx, as.For(repository), repository, oci.KeptTag(named), maxKept)
	if err != nil {
		return holding{}, err
	}
	if !isEnvelope(found.Body) {
		return whole(named, found)
	}
	e, err := decodeEnvelope(found.Body)
	if err != nil || e.Named != named {
		return holding{}, errors.Join(upstream.ErrNotFound, err)
	}
	return holding{e, found.Digest, nil}, nil
}

// whole is what is kept as it is.
func whole(named digest.Digest, found upstream.Manifest) (holding, error) {
	if named.Algorithm().FromBytes(found.Body) != named {
		return holding{}, upstream.ErrNotFound
	}
	return holding{
		envelope{Named: named, Kept: found.Digest, MediaType: found.MediaType, Size: int64(len(found.Body))}, found.Digest, found.Body,
	}, nil
}

// open fetches the manifest of an envelope, and learns from it by which digests the
// registry has the blobs of the manifest.
func (k kept) open(ctx context.Context, as upstream.Credentials, repository string, e envelope) ([]byte, error) {
	body, err := k.next.Blob(ctx, as.For(repository), repository, e.Kept, maxKept)
	if err != nil {
		return nil, err
	}
	if e.Named.Algorithm().FromBytes(body) != e.Named {
		return nil, upstream.ErrNotFound
	}
	return body, k.learn(ctx, repository, e)
}

// learn keeps the aliases that an envelope has, where they are not known: the index
// that had them may be lost.
func (k kept) learn(ctx context.Context, repository string, e envelope) error {
	name := repository + "\n" + e.Named.String()
	if _, before := k.learned.GetIfPresent(name); before || k.aliases == nil {
		return nil
	}
	for _, blob := range e.Blobs {
		if blob.Named == blob.Kept {
			continue
		}
		known, err := k.aliases.Alias(ctx, repository, blob.Named)
		if err == nil && known == "" {
			err = k.aliases.SetAlias(context.WithoutCancel(ctx), repository, blob.Named, blob.Kept)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errAliases, err)
		}
	}
	k.learned.Set(name, struct{}{})
	return nil
}

// errAliases says that it is not known by which digests the registry has blobs, which is
// nothing that the registry said.
var errAliases = errors.New("the aliases of blobs can't be read or kept")
