package rig

import (
	"testing"
	"time"
)

// patience is how long something is waited for that has to happen.
const patience = time.Minute

// Eventually waits until something holds, and fails the test where it doesn't
// come to that.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
