package routes

import (
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// What is sent to a route's registry leads back to what it came from, and nothing
// else reaches it.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/v2/hub/a/manifests/v1", "/v2/hub/a/b/blobs/uploads/x%2Fy", "/v2/%68ub/a/tags/list", "/v2/hub/manifests/v1", "/v2/team/own/a/blobs/uploads/",
		"/_backref/routes/hub/upload/1", "/_backref/routes/team:own/v2/", "/_backref/routes/hub/v2/a/tags/list", "/v2/team/own/own/_backref/graph/tree",
		"/v2/hub/", "/v2/hub", "//hub", "/v2/hub//", "/v2/hub/a%00/tags/list", "*",
	} {
		f.Add(path)
	}
	table := &Table{routes: []*route{
		{Route: Route{Prefix: "team/own"}, parts: []string{"team", "own"}},
		{Route: Route{Prefix: "hub", Library: true}, parts: []string{"hub"}},
		{Route: Route{Prefix: "team"}, parts: []string{"team"}},
	}}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || u.Scheme != "" {
			return
		}
		p, shut := table.find(u)
		if p == nil || shut {
			return
		}
		own := p.at.Path
		switch {
		case strings.HasPrefix(u.Path, "/_backref/routes/"):
			if s, ok := splitPath(p.at); !ok || s.repository() > 0 {
				t.Errorf("%q leads to %q by a passage", path, own)
			}
		case !strings.HasPrefix(u.Path, "/v2/"+p.route.Prefix+"/") || !strings.HasPrefix(own, "/v2/"):
			t.Errorf("%q leads to %q of %s", path, own, p.route.Prefix)
		}
		if p.named == "" {
			return
		}
		named, ok := p.back(p.at)
		if !ok || named.Path != u.Path {
			t.Errorf("%q is %q there, and %q here again", path, own, named)
		}
		again, _ := table.find(named)
		if again == nil || again.route != p.route || again.asked != p.asked || again.at.Path != own {
			t.Errorf("%q, which is %q, leads elsewhere", named, path)
		}
	})
}

// Nothing but the name changes, and that only where it is the one.
func FuzzRename(f *testing.F) {
	for _, list := range []string{
		`{"name":"a/b","tags":["x"]}`, `{"tags":[{"name":"a/b"}],"name":"a/b"}`, `{"name":"a/b"`, `{"name":1}`, `[]`, `{"name":"a/b","name":"c"}`,
		`{"na\u006de":"a\u002fb"}`, "{\"name\":\"a/b\"}\n\x00", ` { } `, `{"name" :	"a/b" ,}`,
	} {
		f.Add([]byte(list))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		before := bytes.Clone(list)
		got := rename(list, "a/b", "c")
		if !bytes.Equal(list, before) {
			t.Fatal("what was given has changed")
		}
		var was, is map[string]any
		if json.Unmarshal(list, &was) != nil {
			return
		}
		if err := json.Unmarshal(got, &is); err != nil {
			t.Fatalf("%q: %q: %v", list, got, err)
		}
		if bytes.Equal(got, list) {
			return
		}
		delete(was, "name")
		delete(is, "name")
		if !reflect.DeepEqual(was, is) {
			t.Errorf("%q: %q", list, got)
		}
	})
}
