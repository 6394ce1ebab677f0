package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

// datingRest is for how long a [Dating] leaves alone what the registry gave no
// answer for.
const datingRest = 10 * time.Minute

// Dating finds out when the images in the index were made, once for each: see
// [registry.Reader.Made]. Images that come later are looked at when somebody
// wants to know.
type Dating struct{ *Reconciler }

// NewDating returns a dating.
func NewDating(store Store, source *Source, settings Settings, log *zap.Logger) *Dating {
	return &Dating{New(store, source, settings, log)}
}

// Run goes through the index until it is known of each image when it was made, or
// that nothing tells; then it rests until ctx ends. One that is stopped before has
// kept what it found out.
func (d *Dating) Run(ctx context.Context) {
	for {
		found, failed, err := d.date(ctx, Options{}, func() {})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil || failed > 0:
			d.log.Warn("of some images it could not be read when they were made", zap.Int("found", found), zap.Int("failed", failed), zap.Error(err))
		default:
			if found > 0 {
				d.log.Info("it was read of all images when they were made", zap.Int("found", found))
			}
			// Who has the role works on until it ends.
			<-ctx.Done()
			return
		}
		if d.wait(ctx, d.source.now().Add(datingRest)) != nil {
			return
		}
	}
}

// date goes once through the records that the options select. each is called for
// every image that was asked about, from one goroutine at a time or several.
// Artifacts have no such time, and their number may be many times that of images:
// they cost no question.
func (r *Reconciler) date(ctx context.Context, options Options, each func()) (found, failed int, err error) {
	for after := (index.Key{}); ; {
		records, err := r.store.Records(ctx, after, recordsPage)
		if err != nil {
			return found, failed, err
		}
		undated, err := r.undated(ctx, options, records)
		if err != nil {
			return found, failed, err
		}
		// An index is as old as its images, of which it is known then.
		isIndex := func(record index.Record) bool { return record.ImageConfig() == "" }
		indexes := slices.DeleteFunc(slices.Clone(undated), func(record index.Record) bool { return !isIndex(record) })
		for _, these := range [][]index.Record{slices.DeleteFunc(undated, isIndex), indexes} {
			read, missed, err := r.readMade(ctx, these, each)
			if found, failed = found+read, failed+missed; err != nil {
				return found, failed, err
			}
		}
		if len(records) < recordsPage {
			return found, failed, nil
		}
		after = records[len(records)-1].Key()
	}
}

// undated returns those of some records, which are in the order of their keys, of
// which it is not noted when they were made, and that are no referrers.
func (r *Reconciler) undated(ctx context.Context, options Options, records []index.Record) ([]index.Record, error) {
	var undated []index.Record
	for len(records) > 0 {
		name := records[0].Repository
		var here []index.Record
		var manifests []digest.Digest
		for ; len(records) > 0 && records[0].Repository == name; records = records[1:] {
			if one := records[0]; one.Subject() == "" && one.MadeElsewhere() && options.selects(name) {
				here, manifests = append(here, one), append(manifests, one.Digest)
			}
		}
		if len(here) == 0 {
			continue
		}
		noted, err := r.store.Made(ctx, name, manifests)
		if err != nil {
			return nil, err
		}
		for _, record := range here {
			if _, known := noted[record.Digest]; !known {
				undated = append(undated, record)
			}
		}
	}
	return undated, nil
}

// readMade reads when the manifests of records were made. What the registry
// gives no answer for is counted.
func (r *Reconciler) readMade(ctx context.Context, records []index.Record, each func()) (found, failed int, err error) {
	answers := make([]error, len(records))
	var group errgroup.Group
	group.SetLimit(max(1, r.settings.Concurrency))
	for i, record := range records {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			_, answers[i] = r.source.Made(ctx, r.store, record.Repository, []index.Manifest{record.Manifest})
			each()
			return nil
		})
	}
	_ = group.Wait() // It has no error.
	if ctx.Err() != nil {
		return 0, 0, ctx.Err()
	}
	for i, err := range answers {
		if err == nil {
			found++
			continue
		}
		failed++
		r.log.Debug("it could not be read when an image was made", zap.String("repository", records[i].Repository),
			zap.Stringer("digest", records[i].Digest), zap.Error(err))
	}
	return found, failed, nil
}
