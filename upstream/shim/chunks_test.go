package shim

import "testing"

func TestRangesOfUploads(t *testing.T) {
	for header, want := range map[string]int64{"0-1023": 0, "1024-2047": 1024, "bytes 5-6/*": 5, "bytes 7-8/100": 7, "": -1, "x-1": -1, "-1": -1, "12": -1} {
		if got, ok := beginOf(header); ok != (want >= 0) || ok && got != want {
			t.Errorf("Content-Range %q begins at %d, %t; want %d", header, got, ok, want)
		}
	}
	for header, want := range map[string]int64{"0-1023": 1024, "bytes=0-9": 10, "0-0": 1, "5-9": -1, "": -1, "0-": -1, "0--1": -1} {
		if got, ok := endOf(header); ok != (want >= 0) || ok && got != want {
			t.Errorf("Range %q ends at %d, %t; want %d", header, got, ok, want)
		}
	}
}
