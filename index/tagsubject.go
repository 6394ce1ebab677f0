package index

import (
	"context"

	"github.com/opencontainers/go-digest"
)

// TagSubjects is a [Store] that finds a subject by its referrers tag, in which
// long digests are cut. Every [Store] of this module is one. What [Store] says
// of errors, concurrency and durability holds here too.
type TagSubjects interface {
	// TagSubject returns a subject whose [oci.ReferrersTag] is given, of a record of
	// the repository or of a push that is open there, or [ErrNotFound].
	TagSubject(ctx context.Context, repository, tag string) (digest.Digest, error)
}
