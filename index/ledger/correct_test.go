package ledger_test

import (
	"testing"
	"time"

	"github.com/backref/backref/index/ledger"
)

func TestCorrect(t *testing.T) {
	tell(t, []story{
		{"it replaces what is wrong, and keeps its Seen", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), seen(3)))
			must(b.correct(b.mark(), of("another")))
			r, _ := b.record(ledger.Live)
			want := of("another")
			want.Seen = second(3)
			equal(t, r, want)
		}},
		{"in each generation its own", func(t *testing.T, b *book) {
			b.state.Building = true
			must(b.fill(b.mark(), seen(8)))
			must(b.observe(b.mark(), seen(3)))
			b.records[ledger.Next][signature().Key()] = kept{Record: seen(8)}
			clear(b.open)
			b.records[ledger.Live][signature().Key()] = kept{Record: seen(3)}
			must(b.correct(b.mark(), of("another")))
			live, _ := b.record(ledger.Live)
			next, _ := b.record(ledger.Next)
			equal(t, []time.Time{live.Seen, next.Seen}, []time.Time{second(3), second(8)})
		}},
		{"what is live goes to the generation in the making too", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			b.state.Building = true
			b.save()
			must(b.correct(b.mark(), of("another")))
			next, _ := b.record(ledger.Next)
			equal(t, next, of("another"))
		}},
		{"what is right, or not recorded, stays, however old the reading", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			before, sequence := b.mark(), b.state.Sequence
			must(b.correct(0, seen(9)))
			equal(t, b.state.Sequence, sequence)
			must(b.confirm(b.begin(remove()), second(3)))
			must(b.correct(before, of("another")))
			_, found := b.record(ledger.Live)
			equal(t, found, false)
		}},
		{"what may have been deleted since is refused", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			before := b.mark()
			b.begin(remove())
			refused(t, b, func() error { return b.correct(before, of("another")) })
		}},
	})
}
