package registry

import (
	"context"
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
	"github.com/backref/backref/upstream"
)

// Records is what the index knows: the subject of a manifest that it has need
// not be asked for again.
type Records interface {
	// Get returns a record, or [index.ErrNotFound].
	Get(ctx context.Context, repository string, manifest digest.Digest) (index.Record, error)
}

// Reader reads a registry with somebody's credentials, within limits: it is the
// one place where a manifest is fetched and parsed. It may be used concurrently.
type Reader struct {
	Upstream *upstream.Registry
	As       upstream.Credentials
	Records  Records
	// Limits are those of the moment; what they point to does not change.
	Limits func() *Limits
	// Ask has a question answered, within a rate, or again where that may help;
	// nil asks once.
	Ask func(ctx context.Context, question func(context.Context) error) error
}

// Found is a manifest as it was read. Of one that can't be read as a manifest
// there is no more than digest, size and the media type that it was served by;
// of one that was not had whole, nothing.
type Found struct {
	index.Manifest
	Body []byte
}

// Outcome says what came of reading a manifest. Each reader of one decides for
// itself what follows: to one list an entry that can't be read is none, to
// another it is an error.
type Outcome uint8

// The outcomes.
const (
	// OutcomeRead is a manifest that was read.
	OutcomeRead Outcome = iota
	// OutcomeGone is one that the registry has not, or won't say that it has.
	OutcomeGone
	// OutcomeUnreadable is one that can't be had whole, or is none that can be
	// read in one way only.
	OutcomeUnreadable
	// OutcomeUntyped is one that has a subject, and nothing tells of which media
	// type it is.
	OutcomeUntyped
	// OutcomeExcessive is one that has more than the limits allow.
	OutcomeExcessive
	// OutcomeUnknown says that the registry could not be asked: nothing is known.
	OutcomeUnknown
)

// OutcomeOf tells what an error of a [Reader] says of the manifest; nil is
// [OutcomeRead].
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OutcomeRead
	case errors.Is(err, upstream.ErrNotFound):
		return OutcomeGone
	case errors.Is(err, strictjson.ErrLimit), errors.Is(err, upstream.ErrTooMany), errors.Is(err, upstream.ErrTooLarge):
		return OutcomeExcessive
	case errors.Is(err, index.ErrManifest), errors.Is(err, upstream.ErrInvalid):
		return OutcomeUnreadable
	case errors.Is(err, index.ErrMediaType):
		return OutcomeUntyped
	default:
		return OutcomeUnknown
	}
}

// Manifest fetches a manifest by tag or digest, and reads it by its bytes and the
// media type that it is served by. What its error says is told by [OutcomeOf].
func (r *Reader) Manifest(ctx context.Context, repository, reference string) (Found, error) {
	return r.read(ctx, repository, reference, "", r.Limits().Manifest)
}

// Listed is [Reader.Manifest] for an entry of the registry's own referrers API.
// Where nothing else tells of which media type the manifest is, the entry does:
// unlike that of a referrers tag it is by the registry, which knows.
func (r *Reader) Listed(ctx context.Context, repository string, entry oci.Descriptor) (Found, error) {
	return r.read(ctx, repository, entry.Digest.String(), entry.MediaType, r.Limits().Manifest)
}

func (r *Reader) read(ctx context.Context, repository, reference, listed string, limits index.ManifestLimits) (Found, error) {
	fetched, err := r.fetch(ctx, repository, reference)
	if err != nil {
		return Found{}, err
	}
	manifest, err := parse(limits, fetched.MediaType, listed, fetched.Digest.Algorithm(), fetched.Body)
	if err != nil {
		manifest = index.Manifest{Digest: fetched.Digest, MediaType: fetched.MediaType, Size: int64(len(fetched.Body))}
	}
	return Found{manifest, fetched.Body}, err
}

// parse reads a manifest by its bytes and the media type that it was served by.
// listed is what a list calls it, for want of anything better; empty for none.
func parse(limits index.ManifestLimits, served, listed string, algorithm digest.Algorithm, body []byte) (index.Manifest, error) {
	manifest, err := limits.ParseServed(served, algorithm, body)
	if listed != "" && errors.Is(err, index.ErrMediaType) {
		return limits.Parse(listed, algorithm, body)
	}
	return manifest, err
}

// fetch fetches the bytes of a manifest.
func (r *Reader) fetch(ctx context.Context, repository, reference string) (fetched upstream.Manifest, err error) {
	err = r.ask(ctx, func(ctx context.Context) error {
		fetched, err = r.Upstream.Manifest(ctx, r.As, repository, reference, r.Limits().Size)
		return err
	})
	return fetched, err
}

// Resolve returns the digest that a tag stands for. A registry that states none,
// or answers no such question, has the manifest fetched. A tag that is not there
// is [upstream.ErrNotFound].
func (r *Reader) Resolve(ctx context.Context, repository, tag string) (stated digest.Digest, err error) {
	err = r.ask(ctx, func(ctx context.Context) error {
		stated, err = r.Upstream.Resolve(ctx, r.As, repository, tag)
		return err
	})
	if stated != "" || err != nil && !headRefused(err) {
		return stated, err
	}
	fetched, err := r.fetch(ctx, repository, tag)
	return fetched.Digest, err
}

// headRefused tells whether the upstream answers no HEAD at all.
func headRefused(err error) bool {
	var status *upstream.StatusError
	return errors.As(err, &status) && (status.Status == http.StatusMethodNotAllowed || status.Status == http.StatusNotImplemented)
}

// Has asks whether the registry has a manifest: see [upstream.Registry.Has].
func (r *Reader) Has(ctx context.Context, repository string, manifest digest.Digest) (present bool, err error) {
	err = r.ask(ctx, func(ctx context.Context) error {
		present, err = r.Upstream.Has(ctx, r.As, repository, manifest)
		return err
	})
	return present, err
}

// HasBlob asks whether the registry has a blob: see [upstream.Registry.HasBlob].
func (r *Reader) HasBlob(ctx context.Context, repository string, blob digest.Digest) (present bool, err error) {
	err = r.ask(ctx, func(ctx context.Context) error {
		present, err = r.Upstream.HasBlob(ctx, r.As, repository, blob)
		return err
	})
	return present, err
}

// Blob fetches a blob that is no larger than a manifest may be. What its error
// says of the blob is told by [OutcomeOf].
func (r *Reader) Blob(ctx context.Context, repository string, blob digest.Digest) (body []byte, err error) {
	err = r.ask(ctx, func(ctx context.Context) error {
		body, err = r.Upstream.Blob(ctx, r.As, repository, blob, r.Limits().Size)
		return err
	})
	return body, err
}

// Knows tells whether the index has a record of a manifest.
func (r *Reader) Knows(ctx context.Context, repository string, manifest digest.Digest) (bool, error) {
	return knows(ctx, r.Records, repository, manifest)
}

func knows(ctx context.Context, records Records, repository string, manifest digest.Digest) (bool, error) {
	_, err := records.Get(ctx, repository, manifest)
	if errors.Is(err, index.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (r *Reader) ask(ctx context.Context, question func(context.Context) error) error {
	if r.Ask == nil {
		return question(ctx)
	}
	return r.Ask(ctx, question)
}

// reader returns what reads the upstream as a caller.
func (r *Registry) reader(caller *Caller) *Reader {
	return r.readerAs(caller.as)
}

func (r *Registry) readerAs(as upstream.Credentials) *Reader {
	return &Reader{Upstream: r.upstream, As: as, Records: r.store, Limits: r.Limits}
}
