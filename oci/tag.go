package oci

// maxTag is the longest tag (distribution-spec, "Pulling manifests").
const maxTag = 128

// ValidTag reports whether a tag matches the grammar of the specification
// ("Pulling manifests"): [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func ValidTag(tag string) bool {
	if tag == "" || len(tag) > maxTag || tag[0] == '.' || tag[0] == '-' {
		return false
	}
	for i := range len(tag) {
		c := tag[i]
		if !isLowerAlnum(c) && (c < 'A' || c > 'Z') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
