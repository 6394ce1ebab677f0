package openapi_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/openapi"
)

const small = "testdata/small.yaml"

func load(t *testing.T) *openapi.Document {
	t.Helper()
	document, err := openapi.Load(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestAnswersAreHeldAgainstTheDocument(t *testing.T) {
	const thing, json, lines = "/v2/a/b/_backref/things/x", "application/json", "application/jsonl"
	for name, c := range map[string]struct {
		method, path string
		status       int
		header       []string
		body         string
		// want is a part of what is wrong; empty for nothing.
		want string
	}{
		"as described":                 {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{"size":1,"parts":[{"name":"a"}]}`},
		"without what may lack":        {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{"size":1}`},
		"a head":                       {method: http.MethodHead, path: thing, status: 200, header: []string{"Content-Type", json}},
		"nothing new":                  {path: thing, status: 304},
		"a status":                     {path: thing, status: 418, want: "418 is not described"},
		"the status of a head":         {method: http.MethodHead, path: thing, status: 418, want: "418 is not described"},
		"a type":                       {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{"size":"1"}`, want: "not as described"},
		"what is required":             {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{}`, want: "size"},
		"another property":             {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{"size":1,"more":1}`, want: "more"},
		"another property further in":  {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{"size":1,"parts":[{"more":1}]}`, want: "more"},
		"a pattern":                    {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{"size":1,"parts":[{"name":"A"}]}`, want: "not as described"},
		"a media type":                 {path: thing, status: 200, header: []string{"Content-Type", "text/html"}, body: `{"size":1}`, want: "Content-Type"},
		"no JSON":                      {path: thing, status: 200, header: []string{"Content-Type", json}, body: `{`, want: "not as described"},
		"a body":                       {path: thing, status: 304, body: "x", want: "it has a body"},
		"no header":                    {path: thing, status: 503, header: []string{"Content-Type", json}, body: `{}`, want: "Retry-After"},
		"another header":               {path: thing, status: 503, header: []string{"Content-Type", json, "Retry-After", "soon"}, body: `{}`, want: "Retry-After"},
		"the header":                   {path: thing, status: 503, header: []string{"Content-Type", json, "Retry-After", "5"}, body: `{}`},
		"a path of ours":               {path: "/v2/a/_backref/more/x", status: 200, want: "the path is not described"},
		"a path of ours that is not":   {path: "/v2/a/_backref/more/x", status: 404},
		"referrers":                    {path: "/v2/a/referrers/x", status: 200, want: "the path is not described"},
		"the registry's":               {path: "/v2/a/manifests/x", status: 200},
		"a method":                     {method: http.MethodPut, path: thing, status: 200, want: "the method is not described"},
		"a method that is refused":     {method: http.MethodPut, path: thing, status: 405},
		"lines":                        {method: http.MethodPost, path: "/lines", status: 200, header: []string{"Server", "backref", "Content-Type", lines}, body: "{\"name\":\"a\"}\n{}\n"},
		"a line":                       {method: http.MethodPost, path: "/lines", status: 200, header: []string{"Server", "backref", "Content-Type", lines}, body: "{}\n{\"more\":1}\n", want: "more"},
		"a part of a line":             {method: http.MethodPost, path: "/lines", status: 200, header: []string{"Server", "backref", "Content-Type", lines}, body: "{}\n{\"na", want: "line 2"},
		"a path of the other listener": {path: thing, status: 200, header: []string{"Server", "backref"}, want: "the path is not described"},
		"one for operators":            {path: "/admin/more", status: 200, header: []string{"Server", "backref"}, want: "the path is not described"},
		"profiles":                     {path: "/debug/pprof/heap", status: 200, header: []string{"Server", "backref"}},
	} {
		t.Run(name, func(t *testing.T) {
			asked, method, header := &url.URL{Path: c.path}, c.method, http.Header{}
			if method == "" {
				method = http.MethodGet
			}
			for pair := range slices.Chunk(c.header, 2) {
				header.Set(pair[0], pair[1])
			}
			err := load(t).Check(t.Context(), method, asked, openapi.Reply{Status: c.status, Header: header, Body: []byte(c.body)})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestWhatWasNotSeen(t *testing.T) {
	document := load(t)
	seen := openapi.Reply{Status: http.StatusNotModified}
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		if err := document.Check(t.Context(), method, &url.URL{Path: "/v2/a/_backref/things/x"}, seen); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"GET /v2/{name}/_backref/things/{thing} 200", "GET /v2/{name}/_backref/things/{thing} 503", "POST /lines 200"}
	if got := document.NotSeen(); !slices.Equal(got, want) {
		t.Errorf("not seen: %q", got)
	}
}

// A document that would let any answer pass is refused.
func TestDocumentsThatAreRefused(t *testing.T) {
	text, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"the default": {"'503':", "default:"},
		"a range":     {"'503':", "5XX:"},
		"not valid":   {"title: small, ", ""},
		"a reference": {"schemas/Part'}}\n        '304'", "schemas/Gone'}}\n        '304'"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(text), change[0], change[1], 1)
			if changed == string(text) {
				t.Fatal("nothing was changed")
			}
			path := filepath.Join(t.TempDir(), "changed.yaml")
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := openapi.Load(t.Context(), path); err == nil {
				t.Error("it was taken")
			}
		})
	}
}
