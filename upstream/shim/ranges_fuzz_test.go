package shim

import (
	"fmt"
	"testing"
)

// Whatever is asked for, what is spelled out of it is in the blob, and reads as itself.
func FuzzBounds(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=500-", "bytes=-500", "bytes=2000-5000", "bytes=500-0", "bytes=-", "bytes=0-1,3-4", "bytes=+1-2", "items=0-1", "bytes=99999999999999999999-"} {
		f.Add(seed, int64(2048))
	}
	f.Fuzz(func(t *testing.T, text string, length int64) {
		b, one := boundsOf(text)
		if !one || !b.valid() || length < 0 {
			return
		}
		first, last, satisfiable := b.within(length)
		if !satisfiable {
			return
		}
		if first < 0 || last < first || last >= length {
			t.Fatalf("%q of %d: %d-%d", text, length, first, last)
		}
		again, one := boundsOf(fmt.Sprintf("bytes=%d-%d", first, last))
		if !one || again != (bounds{first, last, true, true}) {
			t.Errorf("%d-%d reads as %v", first, last, again)
		}
	})
}
