package ui

import (
	"net/url"
	"strings"
)

// maxReturn bounds the address that a viewer returns to, in bytes.
const maxReturn = 2048

// returnPath reads where a viewer wants to go after signing in: the path of a page with
// its query, below the pages' own base, before which it will stand. What is none is the
// first page, so that nobody is led anywhere else.
func returnPath(text string) string {
	const first = "/repositories"
	if len(text) > maxReturn || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") {
		return first
	}
	for _, c := range text {
		if c <= ' ' || c == '\\' || c >= 0x7f {
			return first
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
		return first
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == "." || part == ".." || strings.ContainsAny(part, "\\\r\n\t\x00") {
			return first
		}
	}
	if strings.Contains(u.Path, "//") || strings.HasPrefix(u.Path, "/sign-") {
		return first
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}
