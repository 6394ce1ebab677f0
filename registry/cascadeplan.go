package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/upstream"
)

// planCascade reads all direct and indirect referrers of a manifest, and what
// holds them, as the caller, and decides which of them go with it. To a caller who
// may not read in the repository there are none.
func (r *Registry) planCascade(ctx context.Context, caller *Caller, root digest.Digest, types policy.Types) (gone []policy.Member, kept []policy.Kept, err error) {
	if err := r.Enter(ctx, caller, root); err != nil {
		return nil, nil, err
	}
	members, err := r.members(ctx, caller, root)
	if err != nil || len(members) == 0 {
		return nil, nil, err
	}
	names, err := r.tagNames(ctx, caller)
	if err != nil {
		return nil, nil, err
	}
	for i := range members {
		member := &members[i]
		member.Tag = names.tags[member.Digest]
		if member.ListedBy, err = r.listers(ctx, caller, member.Digest, names.lists); err != nil {
			return nil, nil, err
		}
		if member.Lists, err = r.listedMembers(ctx, caller, member.Digest); err != nil {
			return nil, nil, err
		}
	}
	gone, kept = policy.PlanCascade(root, types, members)
	return gone, kept, nil
}

// members returns all direct and indirect referrers of a manifest, each after its
// subject.
func (r *Registry) members(ctx context.Context, caller *Caller, root digest.Digest) ([]policy.Member, error) {
	most := r.Limits().Cascade
	var members []policy.Member
	for subjects := []digest.Digest{root}; len(subjects) > 0; {
		var next []digest.Digest
		for _, subject := range subjects {
			for query := (index.Query{}); ; {
				page, err := r.Listing(ctx, caller, subject, query)
				if err != nil {
					return nil, err
				}
				for _, referrer := range page.Referrers {
					members = append(members, policy.Member{Digest: referrer.Digest, Subject: subject, ArtifactType: referrer.ArtifactType})
					next = append(next, referrer.Digest)
				}
				if len(members) > most {
					return nil, tooManyReferrers(most)
				}
				if !page.More {
					break
				}
				query.After = page.Referrers[len(page.Referrers)-1].Cursor()
			}
		}
		subjects = next
	}
	return members, nil
}

func tooManyReferrers(most int) *oci.Error {
	refusal := oci.BadRequest(oci.CodeUnsupported, fmt.Sprintf(
		"the manifest has more than %d direct and indirect referrers, which can't be deleted at once: delete some of them before", most))
	refusal.Limit = "limits.cascade"
	return refusal
}

func (r *Registry) listedMembers(ctx context.Context, caller *Caller, manifest digest.Digest) ([]digest.Digest, error) {
	record, err := r.store.Get(ctx, caller.repository, manifest)
	if errors.Is(err, index.ErrNotFound) {
		return nil, nil
	}
	return listedManifests(record.Manifest), err
}

// namesOf returns the tags of a manifest but for one.
func (r *Registry) namesOf(ctx context.Context, caller *Caller, manifest digest.Digest, but string) ([]string, error) {
	var names []string
	for name, err := range r.Tags(ctx, caller) {
		if errors.Is(err, upstream.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if name != but && !oci.IsOwnTag(name) {
			names = append(names, name)
		}
	}
	tagged, err := r.ResolveTags(ctx, caller, names)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return tagged[name] != manifest }), nil
}
