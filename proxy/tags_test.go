package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

func TestTagListsArePagedWhereTheUpstreamDoesNot(t *testing.T) {
	const all = `{"name":"a","tags":["b","v1","A","zz","a","1"]}`
	for _, c := range []struct{ query, upstream, want, link string }{
		{"", all, all, ""},
		{"?n=2", all, `{"name":"a","tags":["1","A"]}`, `</v2/a/tags/list?last=A&n=2>; rel="next"`},
		{"?n=2&last=A", all, `{"name":"a","tags":["a","b"]}`, `</v2/a/tags/list?last=b&n=2>; rel="next"`},
		{"?n=2&last=b", all, `{"name":"a","tags":["v1","zz"]}`, ""},
		{"?n=2&last=gone", all, `{"name":"a","tags":["v1","zz"]}`, ""},
		{"?last=zz", all, `{"name":"a","tags":[]}`, ""},
		{"?n=0", all, `{"name":"a","tags":[]}`, ""},
		{"?n=100", all, all, ""},
		// A registry that pages, in either order, is not corrected.
		{"?n=2&last=b", `{"name":"a","tags":["C","d"]}`, `{"name":"a","tags":["C","d"]}`, ""},
		{"?n=x", all, all, ""},
		{"?last=b", `not JSON`, `not JSON`, ""},
		{"?last=b", `{"name":"a","tags":null}`, `{"name":"a","tags":null}`, ""},
	} {
		t.Run(fmt.Sprint(c.query, c.upstream), func(t *testing.T) {
			f := newFixture(t)
			f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
				_, _ = io.WriteString(w, c.upstream)
				return true
			})
			got := f.do(http.MethodGet, "/v2/a/tags/list"+c.query, nil)
			if string(got.body) != c.want || got.header.Get("Link") != c.link {
				t.Errorf("got %s, Link %q\nwant %s, Link %q", got.body, got.header.Get("Link"), c.want, c.link)
			}
		})
	}
}
