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
	return r.judge(ctx, repository, tag, r.listed(repository, tag))
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
	}, r.Limits().Concurrency)
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

// listed reads what [Reader.list] does.
func (r *Reader) listed(repository, reference string) func(context.Context) (index.Manifest, error) {
	return func(ctx context.Context) (index.Manifest, error) {
		list, err := r.list(ctx, repository, reference)
		return list.Manifest, err
	}
}

// list reads what a tag, or the digest of what it stood for, names. Its errors
// are those that [index.JudgeTag] wants: what clients may read otherwise than
// backref does is not to be taken for no list.
func (r *Reader) list(ctx context.Context, repository, reference string) (Found, error) {
	most := r.Limits()
	limits := most.Manifest
	if limits.Descriptors > 0 {
		limits.Descriptors = max(limits.Descriptors, most.Entries+1)
	}
	list, err := r.read(ctx, repository, reference, "", limits)
	switch outcome := OutcomeOf(err); {
	case outcome == OutcomeRead:
		return list, r.countable(list.Manifest)
	case outcome == OutcomeUnknown, errors.Is(err, upstream.ErrInvalid):
		return list, err
	case outcome == OutcomeExcessive && !couldList(list.MediaType):
		return list, fmt.Errorf("%w: %w", index.ErrManifest, err)
	case outcome == OutcomeExcessive, errors.Is(err, strictjson.ErrSyntax), errors.Is(err, strictjson.ErrAmbiguous):
		return list, fmt.Errorf("%w: %v", upstream.ErrInvalid, err) //nolint:errorlint // It is not to be taken for no manifest.
	case outcome == OutcomeUntyped:
		// What has a subject is no list, whatever it is.
		return list, fmt.Errorf("%w: %w", index.ErrManifest, err)
	default:
		return list, forJudge(err)
	}
}

// couldList tells whether what is served by a media type could be an index of
// referrers: an image is just one, however much there is in it.
func couldList(served string) bool {
	return served == oci.MediaTypeImageIndex || served == "" || !oci.IsManifestType(served)
}

// countable makes sure that not too many entries have to be read.
func (r *Reader) countable(list index.Manifest) error {
	if list.MediaType == oci.MediaTypeImageIndex && len(list.Edges) > r.Limits().Entries {
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
	found, err := r.Manifest(ctx, repository, entry.String())
	return found.Manifest, false, forJudge(err)
}

// forJudge gives an error of a reader the form that [index.JudgeTag] wants.
func forJudge(err error) error {
	switch OutcomeOf(err) {
	case OutcomeGone:
		return fmt.Errorf("%w: %w", index.ErrNotFound, err)
	case OutcomeUnreadable, OutcomeExcessive:
		if !errors.Is(err, index.ErrManifest) {
			return fmt.Errorf("%w: %w", index.ErrManifest, err)
		}
		return err
	default:
		return err
	}
}
