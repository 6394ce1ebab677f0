package oci

import "strings"

// maxRepository is the longest name of a repository that is one (the
// distribution specification names the limit that clients have).
const maxRepository = 255

// ValidRepository reports whether a name matches the grammar of the
// specification ("Pulling manifests"): components of lower case letters and
// digits, separated within by one period, one or two underscores, or hyphens,
// and joined by slashes.
func ValidRepository(name string) bool {
	if len(name) > maxRepository {
		return false
	}
	for component := range strings.SplitSeq(name, "/") {
		if !validComponent(component) {
			return false
		}
	}
	return true
}

func validComponent(component string) bool {
	n := len(component)
	if n == 0 || !isLowerAlnum(component[0]) || !isLowerAlnum(component[n-1]) {
		return false
	}
	for i := 0; i < n; {
		if isLowerAlnum(component[i]) {
			i++
			continue
		}
		start := i
		for i < n && !isLowerAlnum(component[i]) {
			i++
		}
		if !validSeparator(component[start:i]) {
			return false
		}
	}
	return true
}

func validSeparator(s string) bool {
	return s == "." || s == "_" || s == "__" || strings.Trim(s, "-") == ""
}

func isLowerAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}
