package main

import "testing"

func TestProcessorTimeIsRead(t *testing.T) {
	got, err := parseStat("12 (a (strange) name) S 1 12 12 0 -1 4194560 100 0 0 0 7 5 900 900 20 0 1 0 300 1000 200")
	if err != nil || got != 12*tick {
		t.Errorf("%d, %v; want %d", got, err, 12*tick)
	}
	if got, err := parseStat("12 (short) S 1"); err == nil {
		t.Errorf("%d of a line that ends, want an error", got)
	}
}
