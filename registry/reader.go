package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"

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

// Reader reads a registry with somebody's credentials. It may be used
// concurrently.
type Reader struct {
	Upstream *upstream.Registry
	As       upstream.Credentials
	Records  Records
	Limits   Limits
	// Ask has a question answered, within a rate, or again where that may help;
	// nil asks once.
	Ask func(ctx context.Context, question func(context.Context) error) error
}

// Judged is what stands behind a tag of the form of a referrers tag.
type Judged struct {
	index.TagMeaning
	// Fresh are those of the referrers that the index did not know.
	Fresh []index.Manifest
}

// Judge tells what stands behind a tag (see [index.JudgeTag]). An entry that
// can't be read is one that says nothing of a subject. The tag itself has to be
// readable in one way only and within the limits, or not as a manifest at all:
// else it may list what nothing else does, and the error matches
// [upstream.ErrInvalid]. Other errors are those of the registry and the index.
func (r *Reader) Judge(ctx context.Context, repository, tag string) (Judged, error) {
	return r.judge(ctx, repository, tag, func(ctx context.Context) (index.Manifest, error) {
		return r.list(ctx, repository, tag)
	})
}

// JudgeList is [Reader.Judge] of a tag that stands for the given manifest.
func (r *Reader) JudgeList(ctx context.Context, repository, tag string, list index.Manifest) (Judged, error) {
	return r.judge(ctx, repository, tag, func(context.Context) (index.Manifest, error) {
		return list, r.countable(list)
	})
}

func (r *Reader) judge(ctx context.Context, repository, tag string, list func(context.Context) (index.Manifest, error)) (Judged, error) {
	var mutex sync.Mutex
	fresh := map[digest.Digest]bool{}
	meaning, err := index.JudgeTag(ctx, tag, func(ctx context.Context, reference string) (index.Manifest, error) {
		if reference == tag {
			return list(ctx)
		}
		manifest, known, err := r.entry(ctx, repository, digest.Digest(reference))
		if err == nil && !known {
			mutex.Lock()
			defer mutex.Unlock()
			fresh[manifest.Digest] = true
		}
		return manifest, err
	}, r.Limits.Concurrency)
	judged := Judged{TagMeaning: meaning}
	for _, referrer := range meaning.Referrers {
		if fresh[referrer.Digest] {
			judged.Fresh = append(judged.Fresh, referrer)
		}
	}
	if err != nil {
		err = fmt.Errorf("judge %s: %w", repository, err)
	}
	return judged, err
}

// list reads what a tag, or the digest of what it stood for, names.
func (r *Reader) list(ctx context.Context, repository, reference string) (index.Manifest, error) {
	fetched, err := r.fetch(ctx, repository, reference)
	if err != nil {
		return index.Manifest{}, err
	}
	limits := r.Limits.Manifest
	limits.Descriptors = max(limits.Descriptors, r.Limits.Entries+1)
	list, err := limits.ParseServed(fetched.MediaType, fetched.Digest.Algorithm(), fetched.Body)
	switch {
	case errors.Is(err, index.ErrMediaType):
		// What has a subject is no list, whatever it is.
		return index.Manifest{Digest: fetched.Digest, MediaType: fetched.MediaType}, fmt.Errorf("%w: %w", index.ErrManifest, err)
	case errors.Is(err, strictjson.ErrSyntax), errors.Is(err, strictjson.ErrAmbiguous), errors.Is(err, strictjson.ErrLimit):
		return index.Manifest{}, fmt.Errorf("%w: %v", upstream.ErrInvalid, err) //nolint:errorlint // It is not to be taken for no manifest.
	case err != nil:
		return index.Manifest{Digest: fetched.Digest, MediaType: fetched.MediaType}, err
	}
	return list, r.countable(list)
}

// countable makes sure that not too many entries have to be read.
func (r *Reader) countable(list index.Manifest) error {
	if list.MediaType == oci.MediaTypeImageIndex && len(list.Edges) > r.Limits.Entries {
		return fmt.Errorf("%w: image index: %w", upstream.ErrInvalid, upstream.ErrTooMany)
	}
	return nil
}

// entry reads what an image index lists, from the index where that knows it.
func (r *Reader) entry(ctx context.Context, repository string, entry digest.Digest) (manifest index.Manifest, known bool, err error) {
	record, err := r.Records.Get(ctx, repository, entry)
	if err == nil || !errors.Is(err, index.ErrNotFound) {
		return record.Manifest, true, err
	}
	fetched, err := r.fetch(ctx, repository, entry.String())
	switch {
	case errors.Is(err, upstream.ErrInvalid):
		return manifest, false, fmt.Errorf("%w: %w", index.ErrManifest, err)
	case err != nil:
		return manifest, false, err
	}
	manifest, err = r.Limits.Manifest.ParseServed(fetched.MediaType, entry.Algorithm(), fetched.Body)
	return manifest, false, err
}

// fetch fetches a manifest. One that is not there is [index.ErrNotFound] too.
func (r *Reader) fetch(ctx context.Context, repository, reference string) (fetched upstream.Manifest, err error) {
	err = r.ask(ctx, func(ctx context.Context) error {
		fetched, err = r.Upstream.Manifest(ctx, r.As, repository, reference, r.Limits.Size)
		return err
	})
	if errors.Is(err, upstream.ErrNotFound) {
		err = fmt.Errorf("%w: %w", index.ErrNotFound, err)
	}
	return fetched, err
}

func (r *Reader) ask(ctx context.Context, question func(context.Context) error) error {
	if r.Ask == nil {
		return question(ctx)
	}
	return r.Ask(ctx, question)
}

// reader returns what reads the upstream as a caller.
func (r *Registry) reader(caller *Caller) *Reader {
	return &Reader{Upstream: r.upstream, As: caller.as, Records: r.store, Limits: r.limits}
}
