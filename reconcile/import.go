package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// Imported says what became of the records that an import has read.
type Imported struct {
	// Records were read and are recorded, by this import or before.
	Records int `json:"imported"`
	// Overtaken are left out: they may have been deleted since the import began.
	Overtaken int `json:"overtaken,omitempty"`
}

// Import records what [Export] wrote. Records that are there already stay as
// they are. One whose manifest is deleted by this store's clients after the
// import began is left out, since it may have been read before that: so r is
// not read before, and what makes the records should not begin before either.
// It ends with the first line that is not a record; those before it are
// recorded.
func Import(ctx context.Context, store registry.Observer, r io.Reader) (Imported, error) {
	mark, err := store.Mark(ctx)
	if err != nil {
		return Imported{}, err
	}
	i := importing{store: store, mark: mark}
	decoder := json.NewDecoder(r)
	batch := make([]index.Record, 0, recordsPage)
	for {
		var record index.Record
		err := decoder.Decode(&record)
		if errors.Is(err, io.EOF) {
			return i.done, i.record(ctx, batch)
		}
		if err != nil {
			return i.done, errors.Join(fmt.Errorf("record %d is not valid: %w", i.read()+len(batch)+1, err), i.record(ctx, batch))
		}
		record.Old = true
		if batch = append(batch, record); len(batch) == recordsPage {
			if err := i.record(ctx, batch); err != nil {
				return i.done, err
			}
			batch = batch[:0]
		}
	}
}

// importing is an import under way.
type importing struct {
	store registry.Observer
	mark  index.Mark
	done  Imported
}

func (i *importing) read() int { return i.done.Records + i.done.Overtaken }

// record records what was read; a batch of which one was overtaken is recorded
// one by one.
func (i *importing) record(ctx context.Context, batch []index.Record) error {
	err := i.store.Observe(ctx, i.mark, batch...)
	switch {
	case err == nil:
		i.done.Records += len(batch)
		return nil
	case !errors.Is(err, index.ErrStale):
		return err
	case len(batch) == 1:
		i.done.Overtaken++
		return nil
	}
	for at := range batch {
		if err := i.record(ctx, batch[at:at+1]); err != nil {
			return err
		}
	}
	return nil
}
