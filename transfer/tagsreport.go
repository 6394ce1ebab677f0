package transfer

import "sync"

// movedOnly tells of bytes, and leaves the rest to who tells of tags.
type movedOnly struct{ TagsWatcher }

// Planned says nothing: each image has a plan.
func (movedOnly) Planned(Totals) {}

// Finished says nothing.
func (movedOnly) Finished(Event) {}

// inOrder counts the results of tags, and tells of them in the order in which the
// tags were listed. It is safe for concurrent use.
type inOrder struct {
	follow TagsWatcher

	mutex sync.Mutex
	// next is the tag that is told of next; ahead are results behind it.
	next  int
	ahead map[int]TagResult
	count map[Outcome]int
}

func newInOrder(follow TagsWatcher) *inOrder {
	return &inOrder{follow: follow, ahead: map[int]TagResult{}, count: map[Outcome]int{}}
}

// begin says how many tags there are.
func (o *inOrder) begin(tags int) {
	if o.follow != nil {
		o.follow.Listed(tags)
	}
}

// done takes the result of a tag. Of those that were not done nobody is told.
func (o *inOrder) done(i int, result TagResult) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.count[result.Outcome]++
	o.ahead[i] = result
	for {
		result, found := o.ahead[o.next]
		if !found {
			return
		}
		delete(o.ahead, o.next)
		o.next++
		if o.follow != nil && result.Outcome != Pending {
			o.follow.Tag(result)
		}
	}
}

func (o *inOrder) outcomes() map[Outcome]int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.count
}
