package registry

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
)

// Signatures tells by whom what is attached to images is signed.
type Signatures interface {
	// Signer tells whether there is a signer of that name.
	Signer(name string) bool
	// SignedBy tells whether an artifact, a signature or attestation that is attached
	// to a subject of a repository, is by one of the named signers, and if not, why
	// that is not shown. What it needs of the registry it reads by the reader, which
	// reads as who asks. An error says that it could not be told just now. It may be
	// called concurrently.
	SignedBy(ctx context.Context, reader *Reader, repository string, names []string, subject, artifact oci.Descriptor) (verified bool, reason string, err error)
}

// ErrNoSignatures means that it is asked who signed, and nobody is there to tell.
var ErrNoSignatures = errors.New("no signers are configured")

// CheckSigners tells whether it can be asked who of some signed: the error is
// [ErrNoSignatures] where nobody can tell, else unknown is the first name that there
// is no signer of; empty for none.
func (r *Registry) CheckSigners(names []string) (unknown string, err error) {
	if len(names) == 0 {
		return "", nil
	}
	if r.options.Signatures == nil {
		return "", ErrNoSignatures
	}
	for _, name := range names {
		if !r.options.Signatures.Signer(name) {
			return name, nil
		}
	}
	return "", nil
}

// verified asks of the artifacts that would meet a requirement whether they are by
// one of those who have to have signed it.
func (l *coverageLook) verified(ctx context.Context, requirement coverage.Requirement, attached []coverage.Artifact) ([]coverage.Artifact, error) {
	all := slices.Clone(attached)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, l.registry.Limits().Concurrency))
	for i := range all {
		a := &all[i]
		if l.query.Fresh(requirement, *a, l.now) {
			group.Go(func() (err error) {
				a.Verified, a.Doubt, err = l.signed(ctx, *a)
				return err
			})
		}
	}
	return all, group.Wait()
}

// signed asks of one artifact, unless it was lately told: what a digest names is
// signed by the same for ever, though whom a signer trusts may change.
func (l *coverageLook) signed(ctx context.Context, a coverage.Artifact) (bool, string, error) {
	signatures := l.registry.options.Signatures
	if signatures == nil {
		return false, "", ErrNoSignatures
	}
	names := slices.Sorted(slices.Values(l.query.SignedBy))
	key := signedName{l.caller.repository, strings.Join(names, "\n"), a.Subject.Digest, a.Digest}
	if told, known := l.registry.coverage.signed.GetIfPresent(key); known {
		return told.verified, told.reason, nil
	}
	of := oci.Descriptor{Digest: a.Digest, ArtifactType: a.ArtifactType, MediaType: a.MediaType, Size: a.Size, Annotations: a.Annotations}
	verified, reason, err := signatures.SignedBy(ctx, l.registry.reader(l.caller), l.caller.repository, names, a.Subject, of)
	if err != nil {
		return false, "", err
	}
	l.registry.coverage.signed.Set(key, verdict{verified, reason})
	return verified, reason, nil
}

// signedName names a question who signed.
type signedName struct {
	repository, names string
	subject, artifact digest.Digest
}

// verdict is its answer.
type verdict struct {
	verified bool
	reason   string
}
