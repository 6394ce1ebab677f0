package wrap

import (
	"testing"
	"time"
)

// A rate that changes begins with its whole burst, one that stays goes on; and
// what is under way counts whatever the bound was when it came.
func TestBoundsChangeBetweenRequests(t *testing.T) {
	now := time.Unix(1, 0)
	l := newLimiter(LimitOptions{Bounds: func() Bounds { return Bounds{} }})
	c := &client{}
	let := func(b Bounds) bool { return l.enter(c, b, now) == nil }

	slow := Bounds{ClientRate: 1, ClientBurst: 2}
	for i, want := range []bool{true, true, false} {
		if let(slow) != want {
			t.Errorf("request %d at once: let in %t", i+1, !want)
		}
	}
	other := slow
	other.Concurrency = 100
	if let(other) {
		t.Error("a change of another bound gives a new burst")
	}
	if quick := (Bounds{ClientRate: 2, ClientBurst: 1}); !let(quick) || let(quick) {
		t.Error("not one at once by the new rate")
	}
	if !let(Bounds{}) {
		t.Error("a bound that was taken away counts")
	}
	// Four are under way.
	if let(Bounds{ClientConcurrency: 4}) || let(Bounds{Concurrency: 4}) || !let(Bounds{Concurrency: 5}) {
		t.Error("those that came without a bound don't count")
	}
}
