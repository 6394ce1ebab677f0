package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// TagMeaning tells what stands behind a tag of the form of a referrers tag.
// known, where it is not nil, tells the subjects of manifests that the caller has
// read before: these are not read again.
func (r *Repository) TagMeaning(ctx context.Context, tag string, known func(digest.Digest) (subject digest.Digest, found bool)) (index.TagMeaning, error) {
	meaning, _, err := r.judgeTag(ctx, tag, known)
	return meaning, err
}

// judgeTag is TagMeaning, and returns the manifest behind the tag with its bytes.
func (r *Repository) judgeTag(ctx context.Context, tag string, known func(digest.Digest) (subject digest.Digest, found bool)) (index.TagMeaning, Manifest, error) {
	var mutex sync.Mutex
	var list Manifest
	meaning, err := index.JudgeTag(ctx, tag, func(ctx context.Context, reference string) (index.Manifest, error) {
		if known != nil && reference != tag {
			if subject, found := known(digest.Digest(reference)); found && subject != "" {
				return index.Manifest{Digest: digest.Digest(reference), Edges: []index.Edge{{Kind: index.EdgeSubject, Target: subject}}}, nil
			}
		}
		m, err := r.Manifest(ctx, reference)
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("%w: %w", index.ErrNotFound, err)
		}
		if reference == tag {
			mutex.Lock()
			defer mutex.Unlock()
			list = m
		}
		return m.Manifest, err
	}, parallel)
	return meaning, list, err
}

// referrersByTag reads the referrers tag (distribution-spec, "Referrers Tag
// Schema"). Its entries are only hints: clients have written wrong ones. A tag
// that is something else lists none.
func (r *Repository) referrersByTag(ctx context.Context, subject digest.Digest) ([]oci.Descriptor, error) {
	meaning, _, err := r.judgeTag(ctx, oci.ReferrersTag(subject), nil)
	if err != nil {
		return nil, err
	}
	all := make([]oci.Descriptor, 0, len(meaning.Referrers))
	for _, m := range meaning.Referrers {
		if m.Subject() == subject {
			all = append(all, m.Descriptor())
		}
	}
	slices.SortFunc(all, func(a, b oci.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return all, nil
}

// ReferrersTag returns the index under a subject's referrers tag, with its
// entries as they are written; an empty index without a digest where there is
// no such tag. It is for those who change it: a tag that is not shown to be a
// list of exactly these referrers is an error, since it may be all that holds
// what it stands for. known is as in [Repository.TagMeaning].
func (r *Repository) ReferrersTag(ctx context.Context, subject digest.Digest, known func(digest.Digest) (subject digest.Digest, found bool)) (Manifest, []ocispec.Descriptor, error) {
	tag := oci.ReferrersTag(subject)
	meaning, list, err := r.judgeTag(ctx, tag, known)
	switch {
	case err != nil:
		return Manifest{}, nil, err
	case meaning.Kind == index.TagAbsent:
		return EmptyIndex(), nil, nil
	case meaning.Kind == index.TagReferrers && meaning.Subject == subject:
		contents, err := list.Contents()
		return list, contents.Manifests, err
	}
	reason := cmp.Or(meaning.Reason, "it lists the referrers of "+meaning.Subject.String())
	return Manifest{}, nil, fmt.Errorf("the tag %s of %s is needed for the referrers of %s and is something else: %s; "+
		"to have it written, give what it stands for another tag and delete this one", tag, r.Reference, subject, reason)
}
