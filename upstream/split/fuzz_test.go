package split

import (
	"iter"
	"slices"
	"strings"
	"testing"
)

// Pages of the tags of two registries, of which either sends all in no order, or in
// order from where it is asked to, are all of their tags once and in order.
func FuzzTagPages(f *testing.F) {
	f.Add("b d f", "a c e g", 2, true, false)
	f.Add("x", "x y", 1, false, false)
	f.Add("", "b a", 3, true, true)
	f.Fuzz(func(t *testing.T, own, there string, size int, ownOrdered, thereOrdered bool) {
		if size < 1 || size > 100 || len(own)+len(there) > 4000 {
			return
		}
		registry := func(text string, ordered bool) func(last string) iter.Seq2[string, error] {
			tags := strings.Fields(text)
			slices.Sort(tags)
			tags = slices.Compact(tags)
			if !ordered {
				slices.Reverse(tags)
			}
			return func(last string) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for _, tag := range tags {
						if (!ordered || tag > last) && !yield(tag, nil) {
							return
						}
					}
				}
			}
		}
		first, second := registry(own, ownOrdered), registry(there, thereOrdered)
		want := append(strings.Fields(own), strings.Fields(there)...)
		slices.Sort(want)
		want = slices.Compact(want)
		var got []string
		for page := (tagPage{size: size}); ; {
			a, _ := page.read(first(page.last))
			b, _ := page.read(second(page.last))
			tags, more := page.cut(a, b)
			if got = append(got, tags...); !more {
				break
			}
			if len(tags) != size {
				t.Fatalf("a page of %d, want %d", len(tags), size)
			}
			page.last = tags[len(tags)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	})
}
