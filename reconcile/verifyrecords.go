package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// met are the manifests of one repository that were read, and whether the index knew
// them. It may be used concurrently.
type met struct {
	mutex     sync.Mutex
	manifests map[digest.Digest]bool
}

func (m *met) note(manifest digest.Digest, known bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.manifests[manifest] = known
}

// newLookout returns who asks for records. asking may be nil: see [presence].
func (v *verification) newLookout(asking chan struct{}) *presence {
	return &presence{
		Reconciler: v.Reconciler,
		asking:     asking,
		present:    func(context.Context, index.Mark, index.Record) error { return nil },
		missing:    v.missing,
		missed: func(_ context.Context, record index.Record, cause error) error {
			v.missed(record.Repository, record.Digest.String(), cause)
			return nil
		},
	}
}

// repositoriesOf compares repositories, several at once.
func (v *verification) repositoriesOf(ctx context.Context, crawler *crawler, gone *presence, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxRepositoriesAtOnce)
	for _, name := range names {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			within, span := v.spans.Begin(ctx, "read repository")
			span.In(name)
			err := v.repository(registry.Quiet(within), crawler, gone, name)
			span.End(err)
			return err
		})
	}
	return group.Wait()
}

// repository reads what the registry has, and asks for the records of what it did not
// list. What it lists it has, so that nothing is asked twice.
func (v *verification) repository(ctx context.Context, crawler *crawler, gone *presence, name string) error {
	read := &met{manifests: map[digest.Digest]bool{}}
	err := crawler.repository(ctx, name, func(mark index.Mark, record index.Record) error {
		return v.manifest(ctx, mark, record, read)
	})
	if err != nil {
		return err
	}
	for after := (index.Key{Repository: name}); ; {
		records, err := v.store.Records(ctx, after, recordsPage)
		if err != nil {
			return err
		}
		ended := len(records) < recordsPage
		var unread []index.Record
		for _, record := range records {
			if record.Repository != name {
				ended = true
				break
			}
			after = record.Key()
			known, found := read.manifests[record.Digest]
			if !found {
				unread = append(unread, record)
			}
			if known || !found {
				v.count(func() { v.result.Records++ })
			}
		}
		if err := gone.ask(ctx, unread); err != nil {
			return err
		}
		if ended {
			break
		}
	}
	v.count(func() { v.state.Repositories++ })
	return nil
}

// askFor asks the registry for what the index has in other repositories than these,
// which are sorted, and for the second time for what was not found.
func (v *verification) askFor(ctx context.Context, gone *presence, compared []string) (err error) {
	ctx, span := v.spans.Begin(ctx, "ask for records")
	defer func() { span.End(err) }()
	ctx = registry.Quiet(ctx)
	for after := (index.Key{}); ; {
		records, err := v.store.Records(ctx, after, recordsPage)
		if err != nil {
			return err
		}
		var selected []index.Record
		for _, record := range records {
			after = record.Key()
			if v.options.selects(record.Repository) && !in(compared, record.Repository) &&
				(v.options.Sample <= 0 || rand.Float64() < v.options.Sample) { //nolint:gosec // A sample is no secret.
				selected = append(selected, record)
			}
		}
		v.count(func() { v.result.Records += len(selected) })
		if err := gone.ask(ctx, selected); err != nil {
			return err
		}
		if len(records) < recordsPage {
			return gone.flush(ctx)
		}
	}
}

func in(sorted []string, name string) bool {
	_, found := slices.BinarySearch(sorted, name)
	return found
}

// missing is told of a record that the registry was twice found not to have.
func (v *verification) missing(ctx context.Context, mark index.Mark, record index.Record) error {
	difference := Difference{Kind: DifferenceMissing, Key: record.Key()}
	if v.options.Fix {
		err := v.store.Forget(ctx, mark, record.Repository, record.Digest)
		if errors.Is(err, index.ErrStale) {
			return nil
		}
		if err != nil {
			return err
		}
		difference.Fixed = true
	}
	v.found(difference, &v.result.Missing)
	return nil
}
