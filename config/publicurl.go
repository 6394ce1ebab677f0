package config

import (
	"errors"
	"net/url"
	"path"
	"strings"
)

// ValidPrefix tells whether a text is a path that can stand before another: it
// begins with a slash and does not end with one, and all readers take its parts
// for the same.
func ValidPrefix(text string) bool {
	const longest = 256
	if !strings.HasPrefix(text, "/") || len(text) > longest || path.Clean(text) != text || text == "/" {
		return false
	}
	return strings.IndexFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("/-._~", c)
	}) < 0
}

func checkPublicURL(u *url.URL) error {
	if u == nil {
		return nil
	}
	switch prefix := strings.TrimRight(u.EscapedPath(), "/"); {
	case prefix == "":
		return nil
	case path.Base(prefix) == "v2":
		return errors.New("must not end in /v2: it is added to every request")
	case !ValidPrefix(prefix):
		return errors.New("has a path with other characters than letters, digits and - . _ ~, or with empty or dot segments")
	default:
		return nil
	}
}
