package answer

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/backref/backref/index"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// FuzzQuery checks that what is accepted is within bounds, and that the link
// to the next page asks for the same.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "n=1", "artifactType=a%2Fb&n=100&last=" + index.Cursor{Digest: someDigest}.Encode("digest"), "n=99999999999999999999", "n=-0", "artifactType=a&artifactType=b",
		"artifactType=%0d%0aX: y", "annotation=a%3E1&sort=-version", "n=1;last=2", "%zz", "last=Li4vLi4v",
	} {
		f.Add(seed)
	}
	const size = 4 << 20
	here := &url.URL{Path: "/v2/a/referrers/" + someDigest}
	page := index.Page{Referrers: []index.Referrer{{Digest: someDigest}}, More: true}
	f.Fuzz(func(t *testing.T, raw string) {
		query, _, err := Query(&http.Request{URL: &url.URL{RawQuery: raw}}, index.Order{}, size)
		if err != nil {
			return
		}
		if query.Limit < 0 || query.MaxBytes <= 0 || !query.After.IsZero() && query.After.Digest.Validate() != nil {
			t.Fatalf("%q gave %+v", raw, query)
		}
		link := Referrers(page, query, here).Header.Get("Link")
		if strings.ContainsAny(link, "\r\n\x00") {
			t.Fatalf("%q gave the header %q", raw, link)
		}
		next, err := url.Parse(strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`))
		if err != nil {
			t.Fatalf("%q gave the link %q: %v", raw, link, err)
		}
		again, _, err := Query(&http.Request{URL: next}, index.Order{}, size)
		query.After = index.Cursor{Digest: someDigest}
		if err != nil || !reflect.DeepEqual(again, query) {
			t.Fatalf("%q gave %+v, its link %+v, %v", raw, query, again, err)
		}
	})
}
