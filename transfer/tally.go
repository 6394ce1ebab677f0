package transfer

import (
	"maps"
	"sync"
	"sync/atomic"
)

// tally counts what a copy brings into the target, and tells the watcher of it.
// It is safe for concurrent use.
type tally struct {
	watch Watcher
	bytes atomic.Int64

	mutex  sync.Mutex
	result Result
}

func newTally(watch Watcher) *tally {
	return &tally{watch: watch, result: Result{Manifests: map[Outcome]int{}, Blobs: map[Outcome]int{}}}
}

// manifest counts one, which may be a referrer.
func (t *tally) manifest(e Event, isReferrer bool) {
	if isReferrer {
		t.mutex.Lock()
		t.result.Referrers++
		t.mutex.Unlock()
	}
	t.finished(e)
}

// finished counts what is in the target.
func (t *tally) finished(e Event) {
	t.mutex.Lock()
	switch e.What {
	case "blob":
		t.result.Blobs[e.Outcome]++
	case "manifest":
		t.result.Manifests[e.Outcome]++
	case "legacyTag":
		t.result.LegacyTags++
	default:
		t.result.ReferrersTags++
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
func (t *tally) sum() Result {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	result := t.result
	result.Manifests, result.Blobs = maps.Clone(result.Manifests), maps.Clone(result.Blobs)
	result.Bytes = t.bytes.Load()
	return result
}
