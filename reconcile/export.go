package reconcile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/backref/backref/index"
)

// Export writes every record as a line of JSON, in the order of their keys.
func Export(ctx context.Context, store index.Maintainer, w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for after := (index.Key{}); ; {
		records, err := store.Records(ctx, after, recordsPage)
		if err != nil {
			return err
		}
		for _, record := range records {
			after = record.Key()
			if err := encoder.Encode(record); err != nil {
				return fmt.Errorf("export: %w", err)
			}
		}
		if len(records) < recordsPage {
			return buffered.Flush()
		}
	}
}

// Import records what [Export] wrote and returns how many records it read.
// Those that are there already stay as they are. It ends with the first line
// that is not a record; those before it are recorded.
func Import(ctx context.Context, store index.Store, r io.Reader) (imported int, err error) {
	decoder := json.NewDecoder(r)
	batch := make([]index.Record, 0, recordsPage)
	flush := func() error {
		mark, err := store.Mark(ctx)
		if err != nil {
			return err
		}
		if err := store.Observe(ctx, mark, batch...); err != nil {
			return err
		}
		imported += len(batch)
		batch = batch[:0]
		return nil
	}
	for {
		var record index.Record
		err := decoder.Decode(&record)
		if errors.Is(err, io.EOF) {
			return imported, flush()
		}
		if err != nil {
			return imported, errors.Join(fmt.Errorf("record %d is not valid: %w", imported+len(batch)+1, err), flush())
		}
		if batch = append(batch, record); len(batch) == recordsPage {
			if err := flush(); err != nil {
				return imported, err
			}
		}
	}
}

// ExportIntents writes every open intent as a line of JSON, oldest first.
func ExportIntents(ctx context.Context, store index.Maintainer, w io.Writer) error {
	encoder := json.NewEncoder(w)
	for after := index.IntentID(0); ; {
		intents, err := store.Intents(ctx, after, recordsPage)
		if err != nil {
			return err
		}
		for _, intent := range intents {
			after = intent.ID
			if err := encoder.Encode(intent); err != nil {
				return fmt.Errorf("list intents: %w", err)
			}
		}
		if len(intents) < recordsPage {
			return nil
		}
	}
}
