package main

import (
	"strings"
	"testing"

	"github.com/backref/backref/reconcile"
)

// A rebuild that began without an index says what it can't have found.
func TestABlindRebuildSaysSo(t *testing.T) {
	for _, blind := range []bool{true, false} {
		said := reportText(reconcile.Report{Found: 3, Blind: blind, Swapped: true})
		if strings.Contains(said, "could not be found") != blind || !strings.Contains(said, "The new index is in use.") {
			t.Errorf("blind %t: %s", blind, said)
		}
	}
}
