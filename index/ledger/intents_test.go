package ledger_test

import (
	"testing"

	"github.com/backref/backref/index"
)

func TestBegin(t *testing.T) {
	tell(t, []story{
		{"an intent of the opposite kind makes both contended", func(t *testing.T, b *book) {
			first, second := b.begin(push()), b.begin(remove())
			contended(t, b, first, true)
			contended(t, b, second, true)
		}},
		{"also one that was saved before", func(t *testing.T, b *book) {
			first := b.begin(remove())
			b.save()
			second := b.begin(push())
			contended(t, b, first, true)
			contended(t, b, second, true)
		}},
		{"one of the same kind does not", func(t *testing.T, b *book) {
			first, second := b.begin(push()), b.begin(push())
			contended(t, b, first, false)
			contended(t, b, second, false)
		}},
		{"one that has ended does not", func(t *testing.T, b *book) {
			must(b.cancel(b.begin(remove())))
			contended(t, b, b.begin(push()), false)
		}},
		{"what a caller says of contention is forgotten", func(t *testing.T, b *book) {
			intent := push()
			intent.Contended, intent.Recorded = true, true
			contended(t, b, b.begin(intent), false)
		}},
		{"a delete makes older readings worthless", func(t *testing.T, b *book) {
			before := b.mark()
			b.begin(remove())
			refused(t, b, func() error { return b.observe(before, signature()) })
		}},
		{"a push and an import do not", func(t *testing.T, b *book) {
			before := b.mark()
			b.begin(push())
			b.begin(reading())
			must(b.observe(before, signature()))
		}},
	})
}

func TestConfirm(t *testing.T) {
	tell(t, []story{
		{"a push is recorded, and ends", func(t *testing.T, b *book) {
			id := b.begin(push())
			must(b.confirm(id, second(3)))
			outcome(t, b, id, true, false)
		}},
		{"a delete removes the record, and ends", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			id := b.begin(remove())
			must(b.confirm(id, second(3)))
			outcome(t, b, id, false, false)
		}},
		{"a delete makes readings worthless that began before it was over", func(t *testing.T, b *book) {
			id := b.begin(remove())
			during := b.mark()
			must(b.confirm(id, second(3)))
			refused(t, b, func() error { return b.observe(during, signature()) })
		}},
		{"an import ends", func(t *testing.T, b *book) {
			id := b.begin(reading())
			must(b.confirm(id, second(3)))
			outcome(t, b, id, false, false)
		}},
		{"a contended one changes nothing and stays, with a new deadline", func(t *testing.T, b *book) {
			first, other := b.begin(push()), b.begin(remove())
			must(b.confirm(first, second(3)))
			must(b.confirm(other, second(4)))
			outcome(t, b, first, false, true)
			outcome(t, b, other, false, true)
			intent, _ := b.intent(first)
			equal(t, intent.Deadline, second(3))
		}},
		{"one that has ended is left alone", func(t *testing.T, b *book) {
			id := b.begin(push())
			must(b.cancel(id))
			must(b.confirm(id, second(3)))
			outcome(t, b, id, false, false)
			must(b.confirm(id, second(3)))
			outcome(t, b, id, false, false)
		}},
		{"where another intent is open, an older absence is worthless", func(t *testing.T, b *book) {
			first, other := b.begin(push()), b.begin(push())
			before := b.mark()
			must(b.confirm(first, second(3)))
			refused(t, b, func() error { return b.settle(other, index.Finding{Mark: before, At: second(20)}) })
		}},
	})
}

func TestCancel(t *testing.T) {
	for _, intent := range []index.Intent{push(), remove(), reading()} {
		t.Run(intent.Kind.String(), func(t *testing.T) {
			b := newBook()
			must(b.observe(b.mark(), signature()))
			id := b.begin(intent)
			must(b.cancel(id))
			outcome(t, b, id, true, false)
		})
	}
}

func TestEndOver(t *testing.T) {
	tell(t, []story{
		{"a delete that is over ends, and what was read before can't come", func(t *testing.T, b *book) {
			id := b.begin(remove())
			before := b.mark()
			must(b.endOver(id, second(11)))
			outcome(t, b, id, false, false)
			refused(t, b, func() error { return b.observe(before, signature()) })
		}},
		{"not before its deadline is past", func(t *testing.T, b *book) {
			id := b.begin(remove())
			must(b.endOver(id, second(10)))
			outcome(t, b, id, false, true)
		}},
		{"not while there is a record", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			id := b.begin(remove())
			must(b.endOver(id, second(11)))
			outcome(t, b, id, true, true)
		}},
		{"not while a push is open", func(t *testing.T, b *book) {
			id := b.begin(remove())
			b.begin(push())
			must(b.endOver(id, second(11)))
			outcome(t, b, id, false, true)
		}},
		{"and no push", func(t *testing.T, b *book) {
			id := b.begin(push())
			must(b.endOver(id, second(11)))
			outcome(t, b, id, false, true)
		}},
	})
}

// A rule asks for no more than it needs: what a push asks for costs each push.
func TestWhatAPushAsksFor(t *testing.T) {
	b := newBook()
	id := b.begin(push())
	equal(t, b.asked, []string{"open delete"})
	b.save()
	b.asked = nil
	must(b.confirm(id, second(3)))
	equal(t, b.asked, []string{"intent", "open removal", "record", "open push", "open delete"})
}
