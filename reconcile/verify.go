package reconcile

import (
	"context"
	"errors"
	"reflect"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// The kinds of differences.
const (
	// DifferenceMissing is a record of a manifest that the registry has not.
	DifferenceMissing = "missing upstream"
	// DifferenceUnknown is a manifest that the index has no record of.
	DifferenceUnknown = "unknown to the index"
	// DifferenceWrong is a record that says something else than its manifest.
	DifferenceWrong = "wrong record"
)

// Difference is something in which index and registry do not agree.
type Difference struct {
	Kind string `json:"kind"`
	index.Key
	// Fixed says that the index was mended.
	Fixed bool `json:"fixed"`
}

// Verification is the result of a comparison.
type Verification struct {
	// Records of the index, and Manifests of the registry, were looked at.
	Records   int `json:"records"`
	Manifests int `json:"manifests"`
	Missing   int `json:"missing"`
	Unknown   int `json:"unknown"`
	Wrong     int `json:"wrong"`
	Fixed     int `json:"fixed"`
	// Failed counts what could not be read, of which Failures are the first.
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"`
	Seconds  float64   `json:"seconds"`
}

// Differences is how many there are that were not fixed.
func (v Verification) Differences() int {
	return v.Missing + v.Unknown + v.Wrong - v.Fixed
}

// verification is one run of a comparison.
type verification struct {
	*Reconciler
	options Options
	differs func(Difference)

	mutex  sync.Mutex
	state  Progress
	result Verification
}

// Verify compares the index with the registry: every manifest that the registry
// lists is read and compared with its record, and every other record is asked for;
// or a sample of the records is asked for, and that is all. With Fix the index is mended: the records of
// manifests that are gone are dropped, those that lack are added, and those that
// are wrong are replaced. differs is told of each difference, from one
// goroutine at a time; it may be nil.
//
// The error matches [ErrIncomplete] where something could not be read; the
// result is valid then too. [ErrBusy] as for Rebuild.
func (r *Reconciler) Verify(ctx context.Context, options Options, differs func(Difference)) (Verification, error) {
	if err := options.Check(); err != nil {
		return Verification{}, err
	}
	ctx, end, err := r.begin(ctx)
	if err != nil {
		return Verification{}, err
	}
	defer end()
	run := &verification{Reconciler: r, options: options, differs: differs}
	ctx, work := r.beginWork(ctx, "verification", optionFields(options)...)
	err = run.run(ctx)
	run.result.Seconds = work.took().Seconds()
	if err == nil && run.result.Failed > 0 {
		err = ErrIncomplete
	}
	work.end(ctx, err, run.result.fields()...)
	return run.result, err
}

// fields are the numbers of a result as the log has them.
func (v Verification) fields() []zap.Field {
	return []zap.Field{
		zap.Int("records", v.Records), zap.Int("manifests", v.Manifests), zap.Int("missing", v.Missing), zap.Int("unknown", v.Unknown),
		zap.Int("wrong", v.Wrong), zap.Int("fixed", v.Fixed), zap.Int("failed", v.Failed),
	}
}

func (v *verification) run(ctx context.Context) (err error) {
	end := v.works.begin(workVerify, v.source.now)
	defer func() {
		if err == nil && v.result.Failed > 0 {
			end(ErrIncomplete)
			return
		}
		end(err)
	}()
	if v.options.Sample > 0 {
		return v.askFor(ctx, v.newLookout(nil), nil)
	}
	crawler, err := v.newCrawler(v.options, v.missed)
	if err != nil {
		return err
	}
	names, err := v.repositories(ctx, v.options, crawler.storage)
	if err != nil {
		v.missed("", "_catalog", err)
	}
	v.count(func() { v.state.RepositoriesTotal = len(names) })
	gone := v.newLookout(crawler.asking)
	if err := v.repositoriesOf(ctx, crawler, gone, names); err != nil {
		return err
	}
	return v.askFor(ctx, gone, names)
}

// manifest looks up what the registry has, and notes it.
func (v *verification) manifest(ctx context.Context, mark index.Mark, record index.Record, met *met) error {
	v.count(func() {
		v.result.Manifests++
		v.state.Manifests++
	})
	known, err := v.store.Get(ctx, record.Repository, record.Digest)
	switch {
	case errors.Is(err, index.ErrNotFound):
		met.note(record.Digest, false)
		return v.add(ctx, mark, record)
	case err != nil:
		return err
	}
	met.note(record.Digest, true)
	if !sameManifest(known.Manifest, record.Manifest) {
		return v.correct(ctx, mark, record)
	}
	return nil
}

func sameManifest(a, b index.Manifest) bool {
	if len(a.Annotations) == 0 && len(b.Annotations) == 0 {
		a.Annotations, b.Annotations = nil, nil
	}
	if len(a.Edges) == 0 && len(b.Edges) == 0 {
		a.Edges, b.Edges = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// add records what the registry has and the index does not know. What is being
// removed is no difference: the registry has it until that is carried out.
func (v *verification) add(ctx context.Context, mark index.Mark, record index.Record) error {
	removing, err := v.store.Removing(ctx, record.Repository, []digest.Digest{record.Digest})
	if err != nil || len(removing) > 0 {
		return err
	}
	difference := Difference{Kind: DifferenceUnknown, Key: record.Key()}
	if v.options.Fix {
		record.Old = true
		if err := v.store.Observe(ctx, mark, record); err != nil {
			return err
		}
		difference.Fixed = true
	}
	v.found(difference, &v.result.Unknown)
	return nil
}

// correct replaces a record by what the registry's manifest says.
func (v *verification) correct(ctx context.Context, mark index.Mark, record index.Record) error {
	difference := Difference{Kind: DifferenceWrong, Key: record.Key()}
	if v.options.Fix {
		if err := v.store.Correct(ctx, mark, record); err != nil {
			return err
		}
		difference.Fixed = true
	}
	v.found(difference, &v.result.Wrong)
	return nil
}

func (v *verification) found(difference Difference, counter *int) {
	v.count(func() {
		*counter++
		if difference.Fixed {
			v.result.Fixed++
		}
		if v.differs != nil {
			v.differs(difference)
		}
	})
}

func (v *verification) missed(repository, reference string, err error) {
	v.count(func() {
		v.result.Failed++
		if len(v.result.Failures) < maxFailures {
			v.result.Failures = append(v.result.Failures, Failure{repository, reference, err.Error()})
		}
	})
}

func (v *verification) count(change func()) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	change()
	v.works.progress(workVerify, v.state)
	v.works.found(v.result)
}
