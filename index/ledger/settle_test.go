package ledger_test

import (
	"testing"

	"github.com/backref/backref/index"
)

// TestSettle is the table at [index.Store.Settle].
func TestSettle(t *testing.T) {
	const before, after = 9, 11 // seconds beside the deadline
	for _, c := range []struct {
		name              string
		intent            index.Intent
		recorded, present bool
		// other contends with the intent.
		other          *index.Intent
		at             int
		isThen, isOpen bool
	}{
		{name: "push, present", intent: push(), present: true, at: after, isThen: true},
		{name: "push, present, not over", intent: push(), present: true, at: before, isThen: true, isOpen: true},
		{name: "push, absent", intent: push(), at: after},
		{name: "push, absent, not over", intent: push(), at: before, isOpen: true},
		{name: "push of what is recorded, absent", intent: push(), recorded: true, at: after, isThen: true},
		{name: "contended push, absent", intent: push(), recorded: true, other: pointer(remove()), at: after},
		{name: "contended push, present", intent: push(), other: pointer(remove()), present: true, at: after, isThen: true},
		{name: "delete, absent", intent: remove(), recorded: true, at: after},
		{name: "delete, absent, not over", intent: remove(), recorded: true, at: before, isOpen: true},
		{name: "delete, present", intent: remove(), recorded: true, present: true, at: after, isThen: true},
		{name: "delete, present, not over", intent: remove(), recorded: true, present: true, at: before, isThen: true, isOpen: true},
		{name: "at the deadline it is not over", intent: remove(), at: 10, isOpen: true},
		{name: "import, present", intent: reading(), present: true, at: after},
		{name: "import, present, not over", intent: reading(), present: true, at: before, isOpen: true},
		{name: "import, absent", intent: reading(), at: after, isOpen: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBook()
			if c.recorded {
				must(b.observe(b.mark(), signature()))
			}
			id := b.begin(c.intent)
			if c.other != nil {
				b.begin(*c.other)
			}
			must(b.settle(id, index.Finding{Mark: b.mark(), At: second(c.at), Present: c.present}))
			outcome(t, b, id, c.isThen, c.isOpen)
		})
	}
}

func pointer(intent index.Intent) *index.Intent { return &intent }

func TestSettleMarksAndNotes(t *testing.T) {
	tell(t, []story{
		{"a push that is found but not over is marked as recorded", func(t *testing.T, b *book) {
			id := b.begin(push())
			must(b.settle(id, index.Finding{At: second(9), Present: true}))
			intent, _ := b.intent(id)
			equal(t, intent.Recorded, true)
		}},
		{"finding it again is no news: it makes nobody's answer stale", func(t *testing.T, b *book) {
			id, other := b.begin(push()), b.begin(push())
			must(b.settle(id, index.Finding{At: second(8), Present: true}))
			between := b.mark()
			must(b.settle(id, index.Finding{Mark: between, At: second(9), Present: true}))
			must(b.settle(other, index.Finding{Mark: between, At: second(20)}))
		}},
		{"finding it when it is over is news", func(t *testing.T, b *book) {
			id, other := b.begin(push()), b.begin(push())
			must(b.settle(id, index.Finding{At: second(8), Present: true}))
			between := b.mark()
			must(b.settle(id, index.Finding{Mark: between, At: second(20), Present: true}))
			refused(t, b, func() error { return b.settle(other, index.Finding{Mark: between, At: second(20)}) })
		}},
		{"what a finding removed can't be observed by what was read before", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			id := b.begin(push())
			b.begin(remove())
			before := b.mark()
			must(b.settle(id, index.Finding{Mark: before, At: second(20)}))
			refused(t, b, func() error { return b.observe(before, signature()) })
		}},
		{"a presence from before a delete is refused", func(t *testing.T, b *book) {
			id := b.begin(push())
			before := b.mark()
			b.begin(remove())
			refused(t, b, func() error { return b.settle(id, index.Finding{Mark: before, At: second(20), Present: true}) })
		}},
		{"an import's finding is never refused", func(t *testing.T, b *book) {
			id := b.begin(reading())
			b.begin(remove())
			must(b.settle(id, index.Finding{At: second(20), Present: true}))
			outcome(t, b, id, false, false)
		}},
		{"a mark from before the horizon is refused, and one that was never given", func(t *testing.T, b *book) {
			b.state.Sequence, b.state.Horizon = 9, 7
			id := b.begin(push())
			refused(t, b, func() error { return b.settle(id, index.Finding{Mark: 6, At: second(20)}) })
			refused(t, b, func() error { return b.settle(id, index.Finding{Mark: 10, At: second(20)}) })
			must(b.settle(id, index.Finding{Mark: 7, At: second(20)}))
		}},
	})
}
