package ledger_test

import (
	"errors"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
)

func TestFill(t *testing.T) {
	tell(t, []story{
		{"without a rebuild it is refused", func(t *testing.T, b *book) {
			if err := b.fill(b.mark(), signature()); !errors.Is(err, index.ErrNoRebuild) || !ledger.Refuses(err) {
				t.Errorf("got error %v, want %v", err, index.ErrNoRebuild)
			}
		}},
		{"it goes to the generation in the making alone", func(t *testing.T, b *book) {
			b.state.Building = true
			must(b.fill(b.mark(), signature()))
			next, _ := b.record(ledger.Next)
			_, live := b.record(ledger.Live)
			equal(t, next, signature())
			equal(t, live, false)
		}},
		{"a record that is live keeps its Seen", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), seen(3)))
			b.state.Building = true
			must(b.fill(b.mark(), seen(9)))
			next, _ := b.record(ledger.Next)
			equal(t, next.Seen, second(3))
		}},
		{"one that is filled in already stays as it is", func(t *testing.T, b *book) {
			b.state.Building = true
			must(b.fill(b.mark(), signature()))
			must(b.fill(b.mark(), of("another")))
			next, _ := b.record(ledger.Next)
			equal(t, next, signature())
		}},
		{"what may have been deleted is refused", func(t *testing.T, b *book) {
			b.state.Building = true
			before := b.mark()
			b.begin(remove())
			refused(t, b, func() error { return b.fill(before, signature()) })
		}},
		{"every change goes to both generations", func(t *testing.T, b *book) {
			b.state.Building = true
			must(b.confirm(b.begin(push()), second(3)))
			next, _ := b.record(ledger.Next)
			equal(t, next, signature())
			must(b.confirm(b.begin(remove()), second(3)))
			_, still := b.record(ledger.Next)
			equal(t, still, false)
		}},
	})
}
