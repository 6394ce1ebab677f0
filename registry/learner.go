package registry

import (
	"context"
	"errors"
	"time"

	"github.com/backref/backref/index"
)

// maxAttempts is how often something is begun anew because what was read from
// the upstream was overtaken meanwhile by a push or delete.
const maxAttempts = 5

// anew makes an attempt, and makes it anew where it was overtaken. The last
// attempt's [index.ErrStale] is the error of all.
func anew(attempt func() error) error {
	for made := 1; ; made++ {
		if err := attempt(); !errors.Is(err, index.ErrStale) || made == maxAttempts {
			return err
		}
	}
}

// Marker tells of points in the history of an index.
type Marker interface {
	// Mark returns the present one: see [index.Mark].
	Mark(ctx context.Context) (index.Mark, error)
}

// UnderMark takes a mark and has something read and recorded that counts from
// there on; anew, under a new mark, where a push or delete overtook it.
func UnderMark(ctx context.Context, history Marker, attempt func(ctx context.Context, mark index.Mark) error) error {
	return anew(func() error {
		mark, err := history.Mark(ctx)
		if err != nil {
			return err
		}
		return attempt(ctx, mark)
	})
}

// Observer is an index that can be told what a registry has.
type Observer interface {
	Marker
	// Observe records manifests that were read after mark was taken: see
	// [index.Store.Observe].
	Observe(ctx context.Context, mark index.Mark, records ...index.Record) error
}

// observe tells the index of manifests that a repository had after mark was
// taken. Nothing to tell is not written.
func observe(ctx context.Context, told Observer, mark index.Mark, repository string, seen time.Time, manifests ...index.Manifest) error {
	if len(manifests) == 0 {
		return nil
	}
	records := make([]index.Record, 0, len(manifests))
	for _, manifest := range manifests {
		records = append(records, index.Record{Repository: repository, Manifest: manifest, Seen: seen})
	}
	return told.Observe(ctx, mark, records...)
}

// ImportTag has the index learn of the referrers that a referrers tag lists, and
// tells what stands behind the tag (see [Reader.Judge]). A tag that is something
// else lists none, but what it lists speaks for itself. One that can't be read is
// an error: it may list what nothing else does.
func (r *Reader) ImportTag(ctx context.Context, told Observer, repository, tag string, now func() time.Time) (judged Judged, err error) {
	err = UnderMark(ctx, told, func(ctx context.Context, mark index.Mark) error {
		judged, err = r.Judge(ctx, repository, tag)
		if err != nil {
			return err
		}
		return observe(ctx, told, mark, repository, now(), judged.Fresh...)
	})
	return judged, err
}

// observe tells the index of manifests that the upstream has: see [observe].
func (r *Registry) observe(ctx context.Context, mark index.Mark, repository string, manifests ...index.Manifest) error {
	return observe(ctx, r.store, mark, repository, r.now(), manifests...)
}
