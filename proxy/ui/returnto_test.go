package ui

import (
	"net/url"
	"strings"
	"testing"
)

func TestReturnPath(t *testing.T) {
	const first = "/repositories"
	for text, want := range map[string]string{
		"/r/team/app":                          "/r/team/app",
		"/r/team/app?q=1.1&x=%2F":              "/r/team/app?q=1.1&x=%2F",
		"/r/team/app/-/image/sha256:0a":        "/r/team/app/-/image/sha256:0a",
		"/repositories?q=a&after=b":            "/repositories?q=a&after=b",
		"":                                     first,
		"//evil.example":                       first,
		"/\\evil.example":                      first,
		"\\/evil.example":                      first,
		"https://evil.example":                 first,
		"https:evil.example":                   first,
		"javascript:alert(1)":                  first,
		"evil.example":                         first,
		"/%2F/evil.example":                    first,
		"/%5Cevil.example":                     first,
		"/..//evil.example":                    first,
		"/../../v2/":                           first,
		"/%2e%2e/v2/":                          first,
		"/r/a\nSet-Cookie: x":                  first,
		"/r/a%0d%0aSet-Cookie:x":               first,
		"/r/a#fragment":                        first,
		"/r//app":                              first,
		"/sign-in?to=/r/app":                   first,
		"/sign-out":                            first,
		"/r/" + strings.Repeat("a", maxReturn): first,
		"/%zz":                                 first,
	} {
		if got := returnPath(text); got != want {
			t.Errorf("%q leads to %q, want %q", text, got, want)
		}
	}
}

// Whatever is asked for, the address is one of a page, on this server.
func FuzzReturnPath(f *testing.F) {
	for _, text := range []string{"/r/app", "//evil", "/\\evil", "https:evil", "/..", "/%2e%2e/", "/a?b#c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const base = "/_backref/ui"
		got := base + returnPath(text)
		here, _ := url.Parse("https://registry.example" + base + "/sign-in")
		u, err := url.Parse(got)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		at := here.ResolveReference(u)
		if at.Scheme != "https" || at.Host != "registry.example" || !strings.HasPrefix(at.Path, base+"/") || strings.ContainsAny(got, "\\\r\n") {
			t.Errorf("%q leads to %s", text, at)
		}
	})
}
