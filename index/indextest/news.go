package indextest

import (
	"testing"
	"time"

	"github.com/backref/backref/index"
)

func newsStories() []story {
	return []story{
		upkeep("while they are off nothing is news, nor is what is there when they are turned on", newsOff),
		upkeep("what comes to be listed is news once, and again when it comes back", newsOnce),
		upkeep("what is settled, observed or replaces is news; what is old, has no subject, or a removal gives back is none", newsWays),
		upkeep("what a rebuild finds and a correction changes is no news", newsRebuild),
		upkeep("they are listed from either end, by pages, and by repository", newsListed),
		upkeep("they are trimmed from the first on, and counted", newsTrimmed),
		upkeep("turning them off drops them, and no number is used twice", newsCleared),
	}
}

// newsLimits are told of stores alone: the model checks nothing.
func newsLimits() []story {
	return []story{upkeep("the latest of what is no repository are refused", func(t *testing.T, store index.Maintainer) {
		_, err := store.Latest(t.Context(), "not\x00valid", 0, 0)
		mustBe(t, err, index.ErrInvalid)
	})}
}

// arrived checks what has arrived, in its order, by growing numbers and at a time that
// is not long ago, and returns it.
func arrived(t *testing.T, store index.Maintainer, want ...index.Record) []index.Arrival {
	t.Helper()
	arrivals, err := store.Arrivals(t.Context(), 0, 0)
	must(t, err)
	last := uint64(0)
	for _, a := range arrivals {
		if a.Number <= last {
			t.Fatalf("arrival %d stands behind %d", a.Number, last)
		}
		if a.At.IsZero() || a.At.Location() != time.UTC {
			t.Fatalf("arrival %d at %v", a.Number, a.At)
		}
		last = a.Number
	}
	equal(t, "arrived", recordsOf(arrivals), want)
	return arrivals
}

func newsOff(t *testing.T, store index.Maintainer) {
	push(t, store, signature("before", name("subject")))
	arrived(t, store)
	must(t, store.SetNews(t.Context(), false))
	must(t, store.SetNews(t.Context(), true))
	arrived(t, store)
	push(t, store, signature("before", name("subject")))
	arrived(t, store)
}

func newsOnce(t *testing.T, store index.Maintainer) {
	must(t, store.SetNews(t.Context(), true))
	record := signature("sig", name("subject"))
	id := begin(t, store, index.IntentPush, record)
	arrived(t, store)
	must(t, store.Confirm(t.Context(), id, after(1)))
	arrived(t, store, record)
	push(t, store, record)
	must(t, store.Observe(t.Context(), mark(t, store), record))
	must(t, store.SetNews(t.Context(), true))
	arrived(t, store, record)
	remove(t, store, record)
	arrived(t, store, record)
	push(t, store, record)
	arrived(t, store, record, record)
}

func newsWays(t *testing.T, store index.Maintainer) {
	ctx := t.Context()
	must(t, store.SetNews(ctx, true))
	settled, observed, replacing := signature("settled", name("subject")), signature("observed", name("subject")), signature("replacing", name("subject"))
	id := begin(t, store, index.IntentPush, settled)
	must(t, store.Settle(ctx, id, found(t, store, 1)))
	must(t, store.Settle(ctx, id, found(t, store, 100)))
	arrived(t, store, settled)
	old := signature("old", name("subject"))
	old.Old = true
	plain := index.Record{Repository: repo, Manifest: index.Manifest{Digest: name("plain")}}
	must(t, store.Observe(ctx, mark(t, store), old, observed, plain))
	push(t, store, plain)
	arrived(t, store, settled, observed)
	got, err := store.Get(ctx, repo, old.Digest)
	must(t, err)
	if got.Old {
		t.Fatal("that a record is old is kept")
	}
	must(t, store.Confirm(ctx, beginReplacing(t, store, replacing, observed), after(2)))
	arrived(t, store, settled, observed, replacing)
	must(t, store.Cancel(ctx, removing(t, store, settled)[0]))
	arrived(t, store, settled, observed, replacing)
	refused := begin(t, store, index.IntentPush, signature("refused", name("subject")))
	must(t, store.Cancel(ctx, refused))
	arrived(t, store, settled, observed, replacing)
}

func newsRebuild(t *testing.T, store index.Maintainer) {
	ctx := t.Context()
	must(t, store.SetNews(ctx, true))
	pushed, brought := signature("pushed", name("subject")), signature("brought", name("subject"))
	rebuilding(t, store)
	must(t, store.Fill(ctx, mark(t, store), nil, brought))
	push(t, store, pushed)
	finished(t, store)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(pushed, brought))
	arrived(t, store, pushed)
	corrected := pushed
	corrected.ArtifactType = "application/vnd.example.other"
	must(t, store.Correct(ctx, mark(t, store), corrected))
	push(t, store, brought)
	arrived(t, store, pushed)
}

func newsListed(t *testing.T, store index.Maintainer) {
	ctx := t.Context()
	must(t, store.SetNews(ctx, true))
	one, two, three := signature("one", name("subject")), signature("two", name("subject")), signature("three", name("other"))
	two.Repository = sibling
	for _, record := range []index.Record{one, two, three} {
		push(t, store, record)
	}
	all := arrived(t, store, one, two, three)
	list := func(arrivals []index.Arrival, err error) []index.Record {
		t.Helper()
		must(t, err)
		return recordsOf(arrivals)
	}
	equal(t, "behind the first", list(store.Arrivals(ctx, all[0].Number, 1)), []index.Record{two})
	equal(t, "behind all", list(store.Arrivals(ctx, all[2].Number, 0)), nil)
	equal(t, "behind what there can be", list(store.Arrivals(ctx, ^uint64(0), 0)), nil)
	equal(t, "the latest", list(store.Latest(ctx, "", 0, 2)), []index.Record{three, two})
	equal(t, "before that", list(store.Latest(ctx, "", all[1].Number, 0)), []index.Record{one})
	equal(t, "before a number that is not there", list(store.Latest(ctx, "", ^uint64(0), 1)), []index.Record{three})
	equal(t, "of a repository", list(store.Latest(ctx, repo, 0, 0)), []index.Record{three, one})
	equal(t, "of it, before one", list(store.Latest(ctx, repo, all[2].Number, 0)), []index.Record{one})
	equal(t, "of its sibling", list(store.Latest(ctx, sibling, 0, 0)), []index.Record{two})
	equal(t, "of another", list(store.Latest(ctx, "nobody", 0, 0)), nil)
}

func newsTrimmed(t *testing.T, store index.Maintainer) {
	ctx := t.Context()
	must(t, store.SetNews(ctx, true))
	one, two, three := signature("one", name("subject")), signature("two", name("subject")), signature("three", name("subject"))
	for _, record := range []index.Record{one, two, three} {
		push(t, store, record)
	}
	all := arrived(t, store, one, two, three)
	trimmed := func(through uint64, limit, want, left int) {
		t.Helper()
		dropped, err := store.TrimNews(ctx, through, limit)
		must(t, err)
		equal(t, "dropped", dropped, want)
		n, err := store.CountNews(ctx)
		must(t, err)
		equal(t, "left", n, left)
	}
	trimmed(all[0].Number-1, 0, 0, 3)
	trimmed(all[1].Number, 1, 1, 2)
	arrived(t, store, two, three)
	trimmed(all[1].Number, 0, 1, 1)
	trimmed(^uint64(0), 0, 1, 0)
	latest, err := store.Latest(ctx, repo, 0, 0)
	must(t, err)
	equal(t, "the latest of the repository", recordsOf(latest), nil)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(one, two, three))
}

func newsCleared(t *testing.T, store index.Maintainer) {
	ctx := t.Context()
	must(t, store.SetNews(ctx, true))
	record := signature("sig", name("subject"))
	push(t, store, record)
	before := arrived(t, store, record)
	must(t, store.SetNews(ctx, false))
	arrived(t, store)
	push(t, store, signature("unheard", name("subject")))
	must(t, store.SetNews(ctx, true))
	arrived(t, store)
	again := signature("again", name("subject"))
	push(t, store, again)
	if after := arrived(t, store, again); after[0].Number <= before[0].Number {
		t.Fatalf("number %d after %d", after[0].Number, before[0].Number)
	}
}

func newsAgain(t *testing.T, open func() index.Maintainer) {
	store := open()
	one, two := signature("one", name("subject")), signature("two", name("subject"))
	must(t, store.SetNews(t.Context(), true))
	push(t, store, one)
	before := arrived(t, store, one)
	must(t, store.Close())

	store = open()
	equal(t, "arrivals", arrived(t, store, one), before)
	_, err := store.TrimNews(t.Context(), before[0].Number, 0)
	must(t, err)
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	push(t, store, two)
	if after := arrived(t, store, two); after[0].Number <= before[0].Number {
		t.Fatalf("number %d after %d", after[0].Number, before[0].Number)
	}
}
