package reconcile

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/backref/backref/index"
)

// Records are all records of an index: see [index.Maintainer].
type Records interface {
	Records(ctx context.Context, after index.Key, limit int) ([]index.Record, error)
}

// Export writes every record as a line of JSON, in the order of their keys.
func Export(ctx context.Context, store Records, w io.Writer) error {
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

// Open are the open intents of an index with its removals: see [index.Maintainer].
type Open interface {
	Intents(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error)
	Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error)
}

// ExportIntents writes every open intent as a line of JSON, oldest first, and behind
// them the removals.
func ExportIntents(ctx context.Context, store Open, w io.Writer) error {
	encoder := json.NewEncoder(w)
	if err := exportIntents(ctx, store.Intents, encoder); err != nil {
		return err
	}
	return exportIntents(ctx, func(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
		return store.Removals(ctx, "", after, limit)
	}, encoder)
}

func exportIntents(ctx context.Context, list func(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error), encoder *json.Encoder) error {
	for after := index.IntentID(0); ; {
		intents, err := list(ctx, after, recordsPage)
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
