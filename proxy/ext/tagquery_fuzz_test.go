package ext

import (
	"net/url"
	"reflect"
	"testing"
)

// FuzzTagQuery checks that the link to the next page of tags asks for the same,
// from where the page before ended.
func FuzzTagQuery(f *testing.F) {
	for _, seed := range []string{
		"", "n=1&sort=-version&from=1.0.0&to=v2", "sort=created&from=2026-01-01T00:00:00Z", "sort=-name&artifactType=a%2Fb&annotation=a%3E1", "from=a&from=b",
		"last=" + tagCursor{"v1", "v1"}.encode("name"), "sort=version&last=" + tagCursor{"v1", "v1"}.encode("name"), "last=MSBuYW1l", "sort=size", "to=%00",
	} {
		f.Add(seed, "v1", "key of v1")
	}
	f.Fuzz(func(t *testing.T, raw, tag, key string) {
		values, _ := url.ParseQuery(raw)
		query, err := parseTagQuery(values)
		if err != nil {
			return
		}
		last := tagCursor{key, tag}
		text := last.encode(query.order())
		if parsed, err := parseTagCursor(text, query.order()); err != nil || parsed != last {
			return // It was no tag.
		}
		again, err := parseTagQuery(query.next(last))
		query.after = last
		if err != nil || !reflect.DeepEqual(again, query) {
			t.Fatalf("%q gave %+v, its link %+v, %v", raw, query, again, err)
		}
		if query.behind(last) && last != (tagCursor{}) {
			t.Fatalf("%q: the page after %+v begins with it", raw, last)
		}
	})
}
