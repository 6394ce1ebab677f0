package client

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestNextPage(t *testing.T) {
	for link, want := range map[string]string{
		`</a>; rel="next"`:                           "/a",
		`</a>; rel=next`:                             "/a",
		`</a>;REL="Next"`:                            "/a",
		`<?last=x>; rel="next"`:                      "/v2/app/tags/list?last=x",
		`</first>; rel="first", </a>; rel="next"`:    "/a",
		`</a>; rel="next", </first>; rel="first"`:    "/a",
		`</a>; rel="prev next"`:                      "/a",
		`</a?of=b,c>; title="x, y;z"; rel="next"`:    "/a?of=b,c",
		`</a>; title="\", rel=next"; rel="next"`:     "/a",
		`</a>; rel="prev"; title="rel=next"`:         "",
		`</a>; rel="prev"; rel="next"`:               "",
		`</first>; rel="first", </last>; rel="last"`: "",
		`</a>; rel="nextish"`:                        "",
		`/a; rel="next"`:                             "",
		`</a; rel="next"`:                            "",
		``:                                           "",
	} {
		resp := &http.Response{
			Header:  http.Header{"Link": {link}},
			Request: &http.Request{URL: &url.URL{Scheme: "http", Host: "localhost", Path: "/v2/app/tags/list"}},
		}
		if got, err := nextPage(resp); err != nil || got != want {
			t.Errorf("%s: %q, %v", link, got, err)
		}
	}
}

func TestCombinedLinksEnd(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("last") != "" {
			w.Header().Set("Link", `</v2/app/tags/list>; rel="first"`)
			_, _ = w.Write([]byte(`{"tags":["v2"]}`))
			return
		}
		w.Header().Set("Link", `</v2/app/tags/list>; rel="first", </v2/app/tags/list?last=v1>; rel="next"`)
		_, _ = w.Write([]byte(`{"tags":["v1"]}`))
	})
	if got, err := repository.TagNames(t.Context()); err != nil || strings.Join(got, " ") != "v1 v2" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPagesInACircle(t *testing.T) {
	registry, repository := newRegistry(t)
	registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, r *http.Request) {
		next := map[string]string{"": "a", "a": "b", "b": "a"}[r.URL.Query().Get("last")]
		w.Header().Set("Link", `</v2/app/tags/list?last=`+next+`>; rel="next"`)
		_, _ = w.Write([]byte(`{"tags":["v1"]}`))
	})
	if got, err := repository.TagNames(t.Context()); err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("%v, %v", got, err)
	}
}
