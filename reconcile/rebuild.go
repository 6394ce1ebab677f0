package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// Options say what a rebuild or verification looks at.
type Options struct {
	// Repositories are patterns as [oci.Glob] reads them; none means all. One that
	// is a name is looked at although the catalog lacks it.
	Repositories []string `json:"repositories,omitempty"`
	// NoCatalog takes Repositories for the names of all repositories, for
	// registries without a catalog.
	NoCatalog bool `json:"noCatalog,omitempty"`
	// Storage is the folder of a CNCF Distribution file system storage, where
	// manifests are found that no API lists; empty for none.
	Storage string `json:"storage,omitempty"`
	// AllowPartial takes the result although something could not be read. What
	// is not known to be gone is kept.
	AllowPartial bool `json:"allowPartial,omitempty"`
	// Fix mends the differences that a verification finds.
	Fix bool `json:"fix,omitempty"`
	// Sample is the share of the records, from 0 to 1, that a verification
	// asks for; 0 means all.
	Sample float64 `json:"sample,omitempty"`
}

// Progress is what has been done so far.
type Progress struct {
	Phase string `json:"phase"`
	// Repositories of RepositoriesTotal are done.
	Repositories      int `json:"repositories"`
	RepositoriesTotal int `json:"repositoriesTotal"`
	Manifests         int `json:"manifests"`
}

// Failure is something that could not be read.
type Failure struct {
	Repository string `json:"repository"`
	Reference  string `json:"reference,omitempty"`
	Error      string `json:"error"`
}

// Report is the result of a rebuild.
type Report struct {
	Repositories int `json:"repositories"`
	// Found are the manifests that the registry was found to have.
	Found int `json:"found"`
	// Added are those of them that the index did not know.
	Added int `json:"added"`
	// Kept are the records of manifests that no list of the registry names but
	// that it has.
	Kept int `json:"kept"`
	// Dropped are the records of manifests that the registry has not.
	Dropped int `json:"dropped"`
	// Failed counts what could not be read, of which Failures are the first.
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"`
	// Resumed says that an earlier rebuild was gone on with. The counts of
	// repositories and manifests are then those since.
	Resumed bool `json:"resumed,omitempty"`
	// Blind says that the index was empty when the rebuild began and no storage
	// was given: manifests that no tag, index or referrers tag names can't have
	// been found.
	Blind bool `json:"blind,omitempty"`
	// Dated counts the images of which it was read when they were made, and
	// Undated those of which it could not be read: that is read when somebody
	// wants to know.
	Dated   int `json:"dated"`
	Undated int `json:"undated,omitempty"`
	// Swapped says that the new index is in use.
	Swapped bool    `json:"swapped"`
	Seconds float64 `json:"seconds"`
}

// ErrIncomplete means that something could not be read, so that the result was
// not used.
var ErrIncomplete = errors.New("not everything could be read")

const (
	// maxFailures is how many failures a report lists.
	maxFailures = 100
	// progressInterval is the least time between two reports of progress.
	progressInterval = 200 * time.Millisecond
	// maxRepositoriesAtOnce bounds the repositories that are read at once.
	maxRepositoriesAtOnce = 16
)

// checkpoint is what a rebuild can be resumed from.
type checkpoint struct {
	Options Options `json:"options"`
	// Done is the repository up to which all are read without a failure. What
	// follows is read again.
	Done string `json:"done"`
}

// rebuild is one run of a rebuild.
type rebuild struct {
	*Reconciler
	options  Options
	progress func(Progress)
	crawler  *crawler

	mutex  sync.Mutex
	state  Progress
	report Report
	told   time.Time
	// done are the repositories that are read but not all those before them.
	done map[string]bool
	// failed are those in which something could not be read.
	failed map[string]bool
	// order are the repositories still to read when the run began.
	order []string
	saved checkpoint
}

// Rebuild builds the index anew from the registry, beside the live one, and
// puts it in its place. It goes on where an earlier one with the same options
// was stopped. progress may be nil; it is called from one goroutine at a time.
//
// The error matches [ErrIncomplete] where something could not be read; the
// report is valid then too. One rebuild or verification runs at a time: a
// second gets [ErrBusy].
func (r *Reconciler) Rebuild(ctx context.Context, options Options, progress func(Progress)) (Report, error) {
	if err := options.Check(); err != nil {
		return Report{}, err
	}
	ctx, end, err := r.begin(ctx)
	if err != nil {
		return Report{}, err
	}
	defer end()
	run := &rebuild{Reconciler: r, options: options, progress: progress, done: map[string]bool{}, failed: map[string]bool{}}
	ctx, work := r.beginWork(ctx, "rebuild", optionFields(options)...)
	err = run.run(ctx)
	run.report.Seconds = work.took().Seconds()
	work.end(ctx, err, run.report.fields()...)
	return run.report, err
}

func (r *rebuild) run(ctx context.Context) (err error) {
	end := r.works.begin(workRebuild, r.source.now)
	defer func() { end(err) }()
	crawler, err := r.newCrawler(r.options, r.missed)
	if err != nil {
		return err
	}
	r.crawler = crawler
	names, err := r.repositories(ctx, r.options, crawler.storage)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	known, err := r.store.Records(ctx, index.Key{}, 1)
	if err != nil {
		return err
	}
	r.report.Blind = len(known) == 0 && crawler.storage == nil
	if err := r.readAll(ctx, names); err != nil {
		return err
	}
	keeping, kept := r.spans.Begin(ctx, "keep records")
	err = r.carryOver(registry.Quiet(keeping))
	kept.End(err)
	if err != nil {
		return err
	}
	if r.report.Failed > 0 && !r.options.AllowPartial {
		return errors.Join(fmt.Errorf("%w: %d failures", ErrIncomplete, r.report.Failed), r.store.AbandonRebuild(ctx))
	}
	swapping, swapped := r.spans.Begin(ctx, "swap")
	err = r.store.FinishRebuild(swapping)
	swapped.End(err)
	if err != nil {
		return err
	}
	r.report.Swapped = true
	r.dateAll(ctx)
	return nil
}

// dateAll reads when the images were made. The index is in use meanwhile, so that
// what fails here, or is stopped, is left for who wants to know, and takes nothing
// from the rebuild.
func (r *rebuild) dateAll(ctx context.Context) {
	r.count(func() { r.state.Phase, r.state.Manifests = "dating", 0 })
	found, failed, err := r.date(ctx, r.options, func() { r.count(func() { r.state.Manifests++ }) })
	r.count(func() { r.report.Dated, r.report.Undated = found, failed })
	if err != nil {
		r.log.Warn("it could not be read of all images when they were made", zap.Error(err))
	}
}

// resume begins a rebuild, or resumes one with the same options.
func (r *rebuild) resume(ctx context.Context) error {
	saved, err := r.store.BeginRebuild(ctx)
	if err != nil {
		return err
	}
	r.saved.Options = r.options
	if saved == nil {
		return nil
	}
	var before checkpoint
	if err := json.Unmarshal(saved, &before); err == nil && sameOptions(before.Options, r.options) {
		r.saved, r.report.Resumed = before, true
		return nil
	}
	if err := r.store.AbandonRebuild(ctx); err != nil {
		return err
	}
	_, err = r.store.BeginRebuild(ctx)
	return err
}

func sameOptions(a, b Options) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// repositories returns the names to look at, sorted: those of the catalog, of
// the storage and of the index that the options select.
func (r *Reconciler) repositories(ctx context.Context, options Options, storage *Storage) ([]string, error) {
	if options.NoCatalog {
		return slices.Compact(slices.Sorted(slices.Values(options.Repositories))), nil
	}
	names, err := r.source.repositories(ctx)
	if err != nil {
		return nil, r.source.withoutCatalog(ctx, err)
	}
	if storage != nil {
		for name, err := range storage.Repositories(ctx) {
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !options.selects(name) })
	names = append(names, options.names()...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// readAll reads the repositories behind the checkpoint, several at once.
func (r *rebuild) readAll(ctx context.Context, names []string) error {
	start, found := slices.BinarySearch(names, r.saved.Done)
	if found {
		start++
	}
	r.order = names[start:]
	r.state = Progress{Phase: "reading", Repositories: start, RepositoriesTotal: len(names)}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(maxRepositoriesAtOnce)
	for _, name := range names[start:] {
		if within.Err() != nil {
			break
		}
		group.Go(func() error { return r.readOne(within, name) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// readOne reads a repository into the new generation.
func (r *rebuild) readOne(ctx context.Context, name string) error {
	within, span := r.spans.Begin(ctx, "read repository")
	span.In(name)
	err := r.readInto(registry.Quiet(within), name)
	span.End(err)
	return err
}

func (r *rebuild) readInto(ctx context.Context, name string) error {
	err := r.crawler.repository(ctx, name, func(mark index.Mark, record index.Record) error {
		return r.fill(ctx, mark, record)
	})
	if err != nil {
		return err
	}
	return r.finish(ctx, name)
}

// fill records what was read after mark.
func (r *rebuild) fill(ctx context.Context, mark index.Mark, record index.Record) error {
	known, err := r.source.Knows(ctx, record.Repository, record.Digest)
	if err != nil {
		return err
	}
	if err := r.store.Fill(ctx, mark, r.checkpoint(), record); err != nil {
		return err
	}
	r.count(func() {
		r.report.Found++
		r.state.Manifests++
		if !known {
			r.report.Added++
		}
	})
	return nil
}

// finish notes that a repository is read, and moves the checkpoint on over all
// that are read without a gap. One with a failure is a gap: a rebuild that is
// resumed has to read it again, because it knows nothing of the failure.
func (r *rebuild) finish(ctx context.Context, name string) error {
	r.mutex.Lock()
	r.done[name] = !r.failed[name]
	moved := false
	for len(r.order) > 0 && r.done[r.order[0]] {
		r.saved.Done = r.order[0]
		delete(r.done, r.order[0])
		r.order = r.order[1:]
		moved = true
	}
	r.report.Repositories++
	r.state.Repositories++
	r.mutex.Unlock()
	r.tell()
	if !moved {
		return nil
	}
	mark, err := r.store.Mark(ctx)
	if err != nil {
		return err
	}
	return r.store.Fill(ctx, mark, r.checkpoint())
}

// checkpoint returns the point to resume from, encoded.
func (r *rebuild) checkpoint() []byte {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	encoded, err := json.Marshal(r.saved)
	if err != nil {
		// It holds strings and numbers only.
		panic(err)
	}
	return encoded
}

// missed notes what could not be read.
func (r *rebuild) missed(repository, reference string, err error) {
	r.count(func() {
		r.failed[repository] = true
		r.report.Failed++
		if len(r.report.Failures) < maxFailures {
			r.report.Failures = append(r.report.Failures, Failure{repository, reference, err.Error()})
		}
	})
}

func (r *rebuild) count(change func()) {
	r.mutex.Lock()
	change()
	r.mutex.Unlock()
	r.tell()
}

// tell reports the progress, not too often.
func (r *rebuild) tell() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.works.progress(workRebuild, r.state)
	if r.progress == nil {
		return
	}
	now := r.source.now()
	if now.Sub(r.told) < progressInterval {
		return
	}
	r.told = now
	r.progress(r.state)
}
