package indextest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// listings is a store that keeps what was served.
type listings interface {
	index.Store
	index.Listings
}

func servedStories() []story {
	return []story{
		served("a listing is found until it is over", servedUntil),
		served("a listing is that of one repository", servedApart),
		served("a listing that is kept again stays longer, never shorter", servedAgain),
		served("those that end first make room", servedRoom),
		served("a listing larger than all that may be kept is not kept", servedTooLarge),
	}
}

// servedLimits are what the model doesn't check.
func servedLimits() []story { return []story{served("what is no listing is refused", servedRefused)} }

// served makes a story of one that is told with a store that keeps listings.
func served(name string, tell func(t *testing.T, store listings)) story {
	return story{name, func(t *testing.T, store index.Store) {
		keeper, is := store.(listings)
		if !is {
			t.Fatalf("%T keeps no listings", store)
		}
		tell(t, keeper)
	}}
}

// servedDurable tests that what is kept is there when the store is opened again,
// and counts.
func servedDurable(t *testing.T, open func() index.Store) {
	size := int64(len("one") + index.ListingOverhead)
	for i, tell := range []func(store listings){
		func(store listings) { saveListing(t, store, shown("one", 10), 0) },
		func(store listings) {
			wantListing(t, store, shown("one", 10), 0)
			must(t, store.SaveListing(t.Context(), shown("two", 20), after(0), size+1))
		},
		func(store listings) {
			wantNoListing(t, store, shown("one", 10), 0)
			wantListing(t, store, shown("two", 20), 0)
		},
	} {
		store, is := open().(listings)
		if !is {
			t.Fatalf("opening %d: it keeps no listings", i)
		}
		tell(store)
		must(t, store.Close())
	}
}

// room is enough for all listings of the stories.
const room = 1 << 30

// shown returns a listing of a body that is kept until some seconds after noon.
func shown(body string, until int) index.ServedListing {
	return index.ServedListing{
		Repository: repo, Digest: digest.FromString(body), Tag: oci.ReferrersTag(name("subject")),
		Body: []byte(body), Until: after(until),
	}
}

func saveListing(t tester, store listings, listing index.ServedListing, now int) {
	t.Helper()
	must(t, store.SaveListing(t.Context(), listing, after(now), room))
}

func wantListing(t tester, store listings, want index.ServedListing, now int) {
	t.Helper()
	got, err := store.Listing(t.Context(), want.Repository, want.Digest, after(now))
	must(t, err)
	if !got.Until.Equal(want.Until) {
		t.Fatalf("until %s, want %s", got.Until, want.Until)
	}
	got.Until = want.Until
	equal(t, "listing", got, want)
}

func wantNoListing(t tester, store listings, listing index.ServedListing, now int) {
	t.Helper()
	_, err := store.Listing(t.Context(), listing.Repository, listing.Digest, after(now))
	mustBe(t, err, index.ErrNotFound)
}

func servedUntil(t *testing.T, store listings) {
	one := shown("one", 10)
	wantNoListing(t, store, one, 0)
	saveListing(t, store, one, 0)
	wantListing(t, store, one, 0)
	wantListing(t, store, one, 9)
	wantNoListing(t, store, one, 10)
	wantNoListing(t, store, shown("two", 10), 0)
	// Another one has it forgotten for good.
	saveListing(t, store, shown("two", 20), 10)
	wantNoListing(t, store, one, 0)
}

func servedApart(t *testing.T, store listings) {
	here, there := shown("one", 10), shown("one", 20)
	there.Repository = sibling
	saveListing(t, store, here, 0)
	wantNoListing(t, store, there, 0)
	saveListing(t, store, there, 0)
	wantListing(t, store, here, 0)
	wantListing(t, store, there, 0)
	wantNoListing(t, store, here, 15)
	wantListing(t, store, there, 15)
}

func servedAgain(t *testing.T, store listings) {
	saveListing(t, store, shown("one", 10), 0)
	saveListing(t, store, shown("one", 5), 1)
	wantListing(t, store, shown("one", 10), 6)
	saveListing(t, store, shown("one", 30), 6)
	wantListing(t, store, shown("one", 30), 29)
}

func servedRoom(t *testing.T, store listings) {
	// Each takes a thousand bytes beside what all take, and there is room for three.
	const size = 1000
	most := int64(3*(size+index.ListingOverhead) + size)
	numbered := func(i, until int) index.ServedListing { return shown(fmt.Sprintf("%0*d", size, i), until) }
	for i, until := range []int{50, 20, 40, 30, 60} {
		must(t, store.SaveListing(t.Context(), numbered(i, until), after(0), most))
	}
	wantNoListing(t, store, numbered(1, 20), 0)
	wantNoListing(t, store, numbered(3, 30), 0)
	for _, kept := range []index.ServedListing{numbered(0, 50), numbered(2, 40), numbered(4, 60)} {
		wantListing(t, store, kept, 0)
	}
	// One that is kept longer takes no more than before.
	must(t, store.SaveListing(t.Context(), numbered(2, 70), after(0), most))
	wantListing(t, store, numbered(0, 50), 0)
	must(t, store.SaveListing(t.Context(), numbered(5, 80), after(0), most))
	wantNoListing(t, store, numbered(0, 50), 0)
	wantListing(t, store, numbered(2, 70), 0)
}

func servedTooLarge(t *testing.T, store listings) {
	large := shown(strings.Repeat("x", 100<<10), 10)
	must(t, store.SaveListing(t.Context(), large, after(0), 100<<10))
	wantNoListing(t, store, large, 0)
	saveListing(t, store, large, 0)
	wantListing(t, store, large, 0)
	whole := shown(strings.Repeat("y", 5<<20), 10)
	saveListing(t, store, whole, 0)
	wantListing(t, store, whole, 0)
}

func servedRefused(t *testing.T, store listings) {
	for what, spoil := range map[string]func(l *index.ServedListing){
		"repository": func(l *index.ServedListing) { l.Repository = "" },
		"digest":     func(l *index.ServedListing) { l.Digest = "sha256:abc" },
		"tag":        func(l *index.ServedListing) { l.Tag = "" },
		"time":       func(l *index.ServedListing) { l.Until = time.Time{} },
	} {
		listing := shown("one", 10)
		spoil(&listing)
		if err := store.SaveListing(t.Context(), listing, after(0), room); err == nil {
			t.Errorf("a wrong %s is taken", what)
		} else {
			mustBe(t, err, index.ErrInvalid)
		}
	}
}

// servedHistories compares what a store keeps of random listings with what the
// model does.
func servedHistories(t *testing.T, open func(t *testing.T) index.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		store, is := open(t).(listings)
		if !is {
			rt.Fatal("it keeps no listings")
		}
		defer func() { must(t, store.Close()) }()
		model, clock := NewModel(), 0
		draw := func(rt *rapid.T) index.ServedListing {
			listing := shown(strings.Repeat("b", rapid.IntRange(1, 4).Draw(rt, "body")*1000), clock+rapid.IntRange(-1, 10).Draw(rt, "until"))
			listing.Repository = rapid.SampledFrom(repositories()).Draw(rt, "repository")
			return listing
		}
		actions := map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				for _, repository := range repositories() {
					for n := range 4 {
						name := digest.FromString(strings.Repeat("b", (n+1)*1000))
						got, gotErr := store.Listing(rt.Context(), repository, name, after(clock))
						want, wantErr := model.Listing(rt.Context(), repository, name, after(clock))
						if (gotErr == nil) != (wantErr == nil) || string(got.Body) != string(want.Body) || !got.Until.Equal(want.Until) {
							rt.Fatalf("%s %d: got %d bytes until %s, %v; want %d until %s, %v", repository, n,
								len(got.Body), got.Until, gotErr, len(want.Body), want.Until, wantErr)
						}
					}
				}
			},
			"keep": func(rt *rapid.T) {
				listing, most := draw(rt), int64(rapid.IntRange(0, 40_000).Draw(rt, "most"))
				must(rt, store.SaveListing(rt.Context(), listing, after(clock), most))
				must(rt, model.SaveListing(rt.Context(), listing, after(clock), most))
			},
			"wait": func(rt *rapid.T) { clock += rapid.IntRange(1, 3).Draw(rt, "seconds") },
		}
		rt.Repeat(actions)
	})
}
