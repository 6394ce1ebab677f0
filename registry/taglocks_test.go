package registry

import (
	"context"
	"testing"
)

func TestTagLocksTakeNoMemoryWhenUnused(t *testing.T) {
	var locks tagLocks
	name := tagName{"a", "v1"}
	must := func(release func(), err error) func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	one, two := must(locks.shared(t.Context(), name)), must(locks.shared(t.Context(), name))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := locks.exclusive(gone, name); err == nil {
		t.Error("owned beside those who share")
	}
	one()
	one() // Once more is nothing.
	two()
	owner := must(locks.exclusive(t.Context(), name))
	if _, err := locks.shared(gone, name); err == nil {
		t.Error("shared beside the owner")
	}
	must(locks.exclusive(t.Context(), tagName{"b", "v1"}))()
	owner()
	if len(locks.locks) != 0 {
		t.Errorf("%d locks are left", len(locks.locks))
	}
}
