package oci

import (
	"strings"

	"github.com/opencontainers/go-digest"
)

// CheckDigest does what Validate of the digest does, without the regular
// expression for those that are right: it runs for every request.
func CheckDigest(d digest.Digest) error {
	if wellFormed(string(d)) {
		return nil
	}
	return d.Validate()
}

func wellFormed(text string) bool {
	algorithm, encoded, _ := strings.Cut(text, ":")
	var size int
	switch digest.Algorithm(algorithm) {
	case digest.SHA256:
		size = 64
	case digest.SHA384:
		size = 96
	case digest.SHA512:
		size = 128
	}
	if size == 0 || len(encoded) != size {
		return false
	}
	for i := range len(encoded) {
		if c := encoded[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
