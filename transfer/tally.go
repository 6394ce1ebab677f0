package transfer

import (
	"sync"
	"sync/atomic"
)

// tally counts what a copy brings into the target, and tells the watcher of it.
// It is safe for concurrent use.
type tally struct {
	watch Watcher
	bytes atomic.Int64

	mutex  sync.Mutex
	counts Counts
}

func newTally(watch Watcher) *tally {
	return &tally{watch: watch, counts: NewCounts()}
}

// manifest counts one, which may be a referrer.
func (t *tally) manifest(e Event, isReferrer bool) {
	if isReferrer {
		t.mutex.Lock()
		t.counts.Referrers++
		t.mutex.Unlock()
	}
	t.finished(e)
}

// finished counts what is in the target.
func (t *tally) finished(e Event) {
	t.mutex.Lock()
	switch e.What {
	case "blob":
		t.counts.Blobs[e.Outcome]++
	case "manifest":
		t.counts.Manifests[e.Outcome]++
	case "legacyTag":
		t.counts.LegacyTags++
	default:
		t.counts.ReferrersTags++
	}
	t.mutex.Unlock()
	if t.watch != nil {
		t.watch.Finished(e)
	}
}

func (t *tally) moved(n int64) {
	t.bytes.Add(n)
	if t.watch != nil {
		t.watch.Moved(n)
	}
}

// sum returns what it came to so far.
func (t *tally) sum() Counts {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	sum := t.counts.clone()
	sum.Bytes = t.bytes.Load()
	return sum
}
