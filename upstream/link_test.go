package upstream_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/backref/backref/upstream"
)

func registryAt(t testing.TB, base string) *upstream.Registry {
	t.Helper()
	var o upstream.Options
	var err error
	if o.URL, err = url.Parse(base); err != nil {
		t.Fatal(err)
	}
	registry, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

// FuzzNextPage checks that no Link leads away from the registry, nor above the
// path that it is below.
func FuzzNextPage(f *testing.F) {
	for _, seed := range []string{
		`</v2/a/tags/list?n=1&last=b>; rel="next"`, `<http://registry.example/base/v2/x>; rel=next`, `<//evil.example/v2/>; rel="next"`,
		`<?n=1>;rel=next`, `<../../x>; rel="next"`, `<http://evil.example/base/v2/>; rel="next"`, `<mailto:a@b>; rel="next"`, `<>;rel=next`,
		`<http://registry.example@evil.example/base/v2/>; rel=next`, `<http:\\evil.example/base/>; rel=next`, `<file:///etc/passwd>; rel=next`,
	} {
		f.Add(seed)
	}
	registry := registryAt(f, "http://registry.example/base")
	here := &url.URL{Path: "/v2/a/tags/list"}
	f.Fuzz(func(t *testing.T, link string) {
		next, err := registry.NextPage(here, []string{link})
		if err != nil || next == nil {
			return
		}
		if next.Scheme != "" || next.Host != "" || next.User != nil || next.Opaque != "" {
			t.Errorf("%q leads to %q", link, next)
		}
		if !strings.HasPrefix(next.EscapedPath(), "/") {
			t.Errorf("%q leads to the path %q", link, next.EscapedPath())
		}
	})
}

// FuzzParseIndex checks that every entry of an index that is accepted can be
// asked for, and that the bound holds.
func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:`+strings.Repeat("0", 64)+`"}]}`), 1)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[],"manifests":null}`), 0)
	f.Add([]byte(`{"schemaVersion":2,"Manifests":[]}`), 3)
	f.Fuzz(func(t *testing.T, body []byte, limit int) {
		entries, err := upstream.ParseIndex(body, limit)
		if err != nil {
			return
		}
		if len(entries) > max(limit, 0) {
			t.Errorf("%d entries, more than %d", len(entries), limit)
		}
		for _, entry := range entries {
			if err := entry.Digest.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}
