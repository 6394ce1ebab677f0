package transfer

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
)

// gatherLeast is how many finished copies index.json is written for at once at
// the least, unless there are no more.
const gatherLeast = 64

// gathered are the finished copies that index.json does not name yet. To write
// it all of the layout has to be read, so it is written the less often the more
// it holds.
type gathered struct {
	mutex   sync.Mutex
	pending []finished
	// enough is how many are written at once.
	enough int
	// names are those of index.json and of what is pending; nil until they are
	// asked for.
	names map[string]digest.Digest
}

// Finish has index.json written when enough is finished.
func (t *layoutTarget) Finish(ctx context.Context, done finished) error {
	// The bytes are in the layout.
	done.root.Body = nil
	for _, referrers := range done.referrers {
		for i := range referrers {
			referrers[i].Body = nil
		}
	}
	for i := range done.legacy {
		done.legacy[i].manifest.Body = nil
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.pending = append(t.pending, done); len(t.pending) < max(t.enough, gatherLeast) {
		return nil
	}
	return t.flush(ctx)
}

// Tagged returns what has a name in index.json.
func (t *layoutTarget) Tagged(_ context.Context, tag string) (digest.Digest, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.names == nil {
		_, entries, err := t.readIndex()
		if err != nil {
			return "", err
		}
		t.names = map[string]digest.Digest{}
		for _, entry := range entries {
			if name := refName(entry); t.names[name] == "" {
				t.names[name] = entry.Digest
			}
		}
	}
	return t.names[tag], nil
}

// PutTag gives a manifest its name.
func (t *layoutTarget) PutTag(ctx context.Context, m client.Manifest, tag string) error {
	return t.Finish(ctx, finished{root: m, tag: tag})
}

// Complete writes index.json for the rest.
func (t *layoutTarget) Complete(ctx context.Context) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.flush(ctx)
}

// flush writes index.json. The caller holds the mutex.
func (t *layoutTarget) flush(ctx context.Context) error {
	if len(t.pending) == 0 {
		return nil
	}
	if err := t.writeIndex(ctx, t.pending); err != nil {
		return err
	}
	t.pending = nil
	return nil
}

// gatherAtLeast says how many entries index.json has: with each writing their
// number grows by a part of it, so that all are read a few times only.
func (t *layoutTarget) gatherAtLeast(entries int) {
	const part = 4
	t.enough = entries / part
}
