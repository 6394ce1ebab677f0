package oci

// MatchGlob reports whether text is what a pattern describes: * stands for any
// characters, also none, ? for one, and all others for themselves. No media
// type has a * or ? (RFC 6838, "Naming Requirements"), so that a pattern
// without them is the exact comparison of the specification.
func MatchGlob(pattern, text string) bool {
	p, t := 0, 0
	// Where the last * is, and what it is tried with.
	star, tried := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, tried = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			tried++
			p, t = star+1, tried
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
