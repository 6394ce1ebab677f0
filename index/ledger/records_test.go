package ledger_test

import (
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/opencontainers/go-digest"
)

func TestObserve(t *testing.T) {
	tell(t, []story{
		{"what is recorded stays as it is, however old the reading", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), of("another")))
			before := b.mark()
			must(b.confirm(b.begin(remove()), second(1)))
			must(b.observe(b.mark(), of("another")))
			must(b.observe(before, signature()))
			r, _ := b.record(ledger.Live)
			equal(t, r, of("another"))
		}},
		{"where one may have been deleted none is recorded", func(t *testing.T, b *book) {
			before := b.mark()
			b.begin(remove())
			other := signature()
			other.Digest = digest.FromString("other")
			refused(t, b, func() error { return b.observe(before, other, signature()) })
		}},
		{"one that is given twice is recorded once", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), seen(3), seen(2)))
			r, _ := b.record(ledger.Live)
			equal(t, r.Seen, second(3))
		}},
		{"where an intent is open, an older absence is worthless", func(t *testing.T, b *book) {
			id, before := b.begin(push()), b.mark()
			must(b.observe(before, signature()))
			refused(t, b, func() error { return b.settle(id, index.Finding{Mark: before, At: second(20)}) })
		}},
		{"without one nothing is noted", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			b.save()
			equal(t, b.history, map[index.Key]numbers{})
		}},
	})
}

// A record that is put again keeps when it was first seen.
func TestSeen(t *testing.T) {
	for _, c := range []struct{ first, again, want int }{{5, 7, 5}, {5, 3, 3}, {5, 5, 5}} {
		b := newBook()
		for _, n := range []int{c.first, c.again} {
			intent := push()
			intent.Record = seen(n)
			must(b.confirm(b.begin(intent), second(9)))
		}
		r, _ := b.record(ledger.Live)
		equal(t, r.Seen, second(c.want))
	}
}

func TestWhatArrives(t *testing.T) {
	tell(t, []story{
		{"a record that is observed or pushed, once", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			must(b.confirm(b.begin(push()), second(3)))
			equal(t, len(b.state.Arrived), 1)
			equal(t, b.state.Arrived[0].Digest, signature().Digest)
		}},
		{"not one that is old, and its mark is not kept", func(t *testing.T, b *book) {
			old := signature()
			old.Old = true
			must(b.observe(b.mark(), old))
			equal(t, len(b.state.Arrived), 0)
		}},
		{"not one without a subject, nor one that a rebuild fills in", func(t *testing.T, b *book) {
			plain := signature()
			plain.Edges = nil
			must(b.observe(b.mark(), plain))
			b.state.Building = true
			must(b.fill(b.mark(), of("another")))
			equal(t, len(b.state.Arrived), 0)
		}},
	})
}

func TestListingsThatChange(t *testing.T) {
	listings := func(subjects ...string) (keys []index.Key) {
		for _, subject := range subjects {
			keys = append(keys, index.Key{Repository: repo, Digest: digest.FromString(subject)})
		}
		return keys
	}
	tell(t, []story{
		{"a record that comes, and that goes", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			equal(t, b.state.Changed, listings("image"))
			b.state.Changed = nil
			must(b.forget(b.mark(), signature().Key()))
			equal(t, b.state.Changed, listings("image"))
		}},
		{"one that gets another subject changes both", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			must(b.correct(b.mark(), of("another")))
			equal(t, b.state.Changed, listings("image", "another"))
		}},
		{"one that is pushed again as it is changes none", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			b.state.Changed = nil
			must(b.confirm(b.begin(push()), second(3)))
			equal(t, b.state.Changed, []index.Key(nil))
		}},
		{"one without a subject changes none", func(t *testing.T, b *book) {
			plain := signature()
			plain.Edges = nil
			must(b.observe(b.mark(), plain))
			equal(t, b.state.Changed, []index.Key(nil))
		}},
		{"one that a rebuild fills in changes none", func(t *testing.T, b *book) {
			b.state.Building = true
			must(b.fill(b.mark(), signature()))
			equal(t, b.state.Changed, []index.Key(nil))
		}},
	})
}

func TestForget(t *testing.T) {
	tell(t, []story{
		{"the record goes from all generations, and its notes with it", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			b.state.Building = true
			b.save()
			must(b.fill(b.mark(), signature()))
			b.save()
			b.unheld[signature().Key()] = true
			before := b.mark()
			must(b.forget(before, signature().Key()))
			b.save()
			equal(t, [3]int{len(b.records[0]), len(b.records[1]), len(b.unheld)}, [3]int{})
			refused(t, b, func() error { return b.observe(before, signature()) })
		}},
		{"one that was recorded since is refused", func(t *testing.T, b *book) {
			before := b.mark()
			must(b.observe(before, signature()))
			refused(t, b, func() error { return b.forget(before, signature().Key()) })
		}},
		{"also one that was pushed again as it is", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			b.save()
			b.state = ledger.State{Sequence: b.state.Sequence} // another transaction
			before := b.mark()
			must(b.confirm(b.begin(push()), second(3)))
			refused(t, b, func() error { return b.forget(before, signature().Key()) })
		}},
		{"one with an open push is refused", func(t *testing.T, b *book) {
			must(b.observe(b.mark(), signature()))
			b.begin(push())
			refused(t, b, func() error { return b.forget(b.mark(), signature().Key()) })
		}},
		{"what is not recorded stays so", func(t *testing.T, b *book) {
			must(b.forget(0, signature().Key()))
			equal(t, b.state.Sequence, uint64(0))
		}},
	})
}
