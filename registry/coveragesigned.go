package registry

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
)

// Signatures tells by whom what is attached to images is signed. Its methods may be
// called concurrently.
type Signatures interface {
	// Signer tells whether there is a signer of that name.
	Signer(name string) bool
	// SignedBy tells what of an artifact that is attached to a subject of a repository
	// the named signers are shown to have signed. What it needs of the registry it reads
	// by the reader, which reads as who asks. An error says that it could not be told
	// just now.
	SignedBy(ctx context.Context, reader *Reader, repository string, names []string, subject, artifact oci.Descriptor) (Signed, error)
}

// Signed is what of an artifact is shown to be by certain signers.
type Signed struct {
	// Subject says that it signs the subject itself, and Predicates are the types of
	// the statements about it.
	Subject    bool
	Predicates []string
	// Reason says why there is neither.
	Reason string
}

// proves tells why what is signed is not what a requirement wants of an artifact;
// empty where it is. What the artifact says of itself does not count: anyone may attach
// a statement that a signer made under annotations that say that it states another.
func (s Signed) proves(requirement coverage.Requirement, a coverage.Artifact) (doubt string) {
	if !s.Subject && len(s.Predicates) == 0 {
		return cmp.Or(s.Reason, "nothing of it is signed")
	}
	for _, predicate := range s.Predicates {
		a.Kind, a.Predicates = artifact.KindOfPredicate(predicate), nil
		if requirement.Matches(a) {
			return ""
		}
	}
	a.Kind, a.Predicates = artifact.Kind{Kinds: artifact.KindSignature}, nil
	if s.Subject && requirement.Matches(a) {
		return ""
	}
	return "what is signed of it is something else than it says to be"
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
			group.Go(func() error {
				found, err := l.signed(ctx, *a)
				a.Doubt = found.proves(requirement, *a)
				a.Verified = a.Doubt == ""
				return err
			})
		}
	}
	return all, group.Wait()
}

// signed asks of one artifact.
func (l *coverageLook) signed(ctx context.Context, a coverage.Artifact) (Signed, error) {
	signatures := l.registry.options.Signatures
	if signatures == nil {
		return Signed{}, ErrNoSignatures
	}
	of := oci.Descriptor{
		Digest: a.Digest, ArtifactType: a.ArtifactType, MediaType: a.MediaType, Size: a.Size, Annotations: a.Annotations,
		Legacy: a.By == coverage.ByTag, Tag: a.Tag,
	}
	return signatures.SignedBy(ctx, l.registry.reader(l.caller), l.caller.repository, l.query.SignedBy, a.Subject, of)
}
