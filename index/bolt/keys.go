package bolt

import (
	"fmt"
	"strings"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
)

// maxName bounds repositories and tags, so that no key can grow past what
// bbolt takes. The specification allows 255 bytes and 128 bytes.
const maxName = 1024

// repositoryKey begins a key that belongs to a repository and is followed by
// digests. Nothing that sorts inside the prefix belongs to another repository,
// because a repository has no zero byte.
func repositoryKey(repository string, digests ...digest.Digest) ([]byte, error) {
	if err := checkName("repository", repository); err != nil {
		return nil, err
	}
	const room = 8 + 2 // of an identifier, kinds
	key := make([]byte, 0, len(repository)+1+len(digests)*(1+packed.SizeSHA512)+room)
	key = append(key, repository...)
	key = append(key, 0)
	for _, d := range digests {
		var err error
		if key, err = packed.AppendDigest(key, d); err != nil {
			return nil, err
		}
	}
	return key, nil
}

// checkName refuses what can't be part of a key.
func checkName(what, name string) error {
	if name == "" || len(name) > maxName || strings.IndexByte(name, 0) >= 0 {
		return fmt.Errorf("%w: %s %.100q", index.ErrInvalid, what, name)
	}
	return nil
}
