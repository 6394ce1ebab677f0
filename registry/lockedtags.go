package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/upstream"
)

// Locked are the manifests of a repository that locked tags hold: what such a tag
// stands for, and what an index behind one lists, down to the last. The zero value
// holds none. Nobody changes it.
type Locked struct {
	by map[digest.Digest]policy.Decision
}

// By tells whether a manifest is held: Denied says that it must not be deleted, by
// the rule that locks the tag.
func (l Locked) By(manifest digest.Digest) policy.Decision { return l.by[manifest] }

// LockedBy tells whether a locked tag holds a manifest of the caller's repository:
// see [Registry.Locked].
func (r *Registry) LockedBy(ctx context.Context, caller *Caller, manifest digest.Digest) (policy.Decision, error) {
	locked, err := r.Locked(ctx, caller)
	return locked.By(manifest), err
}

// Locked returns what locked tags hold in the caller's repository. Its tags are
// listed, as the caller, and the locked ones resolved, limits Concurrency at once;
// what a locked tag stands for is asked anew after a minute. It costs nothing
// where the repository has no such rule.
//
// It tells what is there now. Who deletes by it through [Registry.Writer] is kept
// apart from those who push a first locked tag meanwhile.
//
// An error says that it is not known what is held: an [*oci.Error] or
// [*upstream.StatusError] for the caller to see, else that of the upstream or the
// index. Nothing is to be deleted then.
func (r *Registry) Locked(ctx context.Context, caller *Caller) (Locked, error) {
	locks, now := r.Policies().Locks, r.now()
	rule, in := locks.In(caller.repository, now)
	if !in {
		return Locked{}, nil
	}
	tags, err := r.lockedTags(ctx, caller, locks, now)
	if err == nil {
		var stands map[string]digest.Digest
		if stands, err = r.whatLockedTagsAre(ctx, caller, slices.Sorted(maps.Keys(tags))); err == nil {
			return r.heldBelow(ctx, caller, tags, stands)
		}
	}
	if errors.Is(err, upstream.ErrListTooLong) {
		answer := oci.Unavailable(http.StatusBadGateway, "the repository has more tags than this proxy reads, so that nobody knows what its locked tags hold; its operator can raise limits.listEntries", err)
		answer.Limit = "limits.listEntries"
		return Locked{}, answer
	}
	return Locked{}, r.untold(ctx, err, denial{
		caller, policy.Delete, Reference{}, policy.Decision{Denied: true, Rule: rule, Reason: "the registry does not let you list and pull what its locked tags hold, which a delete takes here"},
		"nothing can be deleted in " + caller.repository,
	})
}

// lockedTags lists the locked tags of a repository.
func (r *Registry) lockedTags(ctx context.Context, caller *Caller, locks policy.TagLocks, now time.Time) (map[string]policy.Decision, error) {
	tags := map[string]policy.Decision{}
	for tag, err := range r.Tags(ctx, caller) {
		if errors.Is(err, upstream.ErrNotFound) {
			return nil, r.upstream.ServesAPI(ctx, caller.repository)
		}
		if err != nil {
			return nil, err
		}
		if decision := locks.Decide(caller.repository, tag, now); decision.Denied {
			tags[tag] = decision
		}
	}
	return tags, nil
}

// whatLockedTagsAre resolves locked tags. One that is gone is left out.
func (r *Registry) whatLockedTagsAre(ctx context.Context, caller *Caller, tags []string) (map[string]digest.Digest, error) {
	stands := make(map[string]digest.Digest, len(tags))
	var unknown []string
	for _, tag := range tags {
		if known, hit := r.locked.tags.GetIfPresent(r.tagKindName(caller, tag)); hit {
			stands[tag] = known
		} else {
			unknown = append(unknown, tag)
		}
	}
	resolved, err := r.ResolveTags(ctx, caller, unknown)
	if err != nil {
		return nil, err
	}
	for tag, manifest := range resolved {
		r.locked.tags.Set(r.tagKindName(caller, tag), manifest)
		stands[tag] = manifest
	}
	return stands, nil
}

// heldBelow returns what locked tags hold.
func (r *Registry) heldBelow(ctx context.Context, caller *Caller, tags map[string]policy.Decision, stands map[string]digest.Digest) (Locked, error) {
	locked := Locked{by: map[digest.Digest]policy.Decision{}}
	// By which locked tag each is held.
	holders := map[digest.Digest]string{}
	hold := func(manifest digest.Digest, tag, how string) (anew bool) {
		if _, twice := holders[manifest]; twice {
			return false
		}
		decision := tags[tag]
		decision.Reason = fmt.Sprintf(how, tag) + ", and " + decision.Reason
		holders[manifest], locked.by[manifest] = tag, decision
		return true
	}
	var level []digest.Digest
	for _, tag := range slices.Sorted(maps.Keys(stands)) {
		if hold(stands[tag], tag, "tag %s stands for it") {
			level = append(level, stands[tag])
		}
	}
	err := r.descend(ctx, caller, level, func(parent, child digest.Digest) bool {
		return hold(child, holders[parent], "an index behind tag %s lists it")
	})
	if err != nil {
		return Locked{}, err
	}
	return locked, nil
}

// standsFor asks, as the caller, what a tag stands for that is locked, or in a
// repository with locked tags; it is empty where the tag is not there. To a caller
// who is not told, what it wants to do is denied: who may not see what a tag is
// could otherwise move it.
func (r *Registry) standsFor(ctx context.Context, caller *Caller, tag lockedTag, action policy.Action) (digest.Digest, error) {
	stands, err := r.reader(caller).Resolve(ctx, caller.repository, tag.name)
	switch {
	case err == nil:
		return stands, nil
	case errors.Is(err, upstream.ErrNotFound):
		// What answers in the registry's place has no tags at all.
		return "", r.upstream.ServesAPI(ctx, caller.repository)
	}
	does := map[policy.Action]string{policy.Push: "pushed", policy.Delete: "deleted"}[action]
	return "", r.untold(ctx, err, denial{
		caller, action, Reference{Tag: tag.name}, policy.Decision{Denied: true, Rule: tag.Rule, Reason: "the registry does not tell you what the tag stands for now, which takes the right to pull"},
		"tag " + tag.name + " can't be " + does,
	})
}

// untold makes the error of a question about locked tags the one that the caller
// sees. Who has to sign in is asked to, for what it wants to do.
func (r *Registry) untold(ctx context.Context, err error, d denial) error {
	var status *upstream.StatusError
	switch {
	case !withheld(err) || !errors.As(err, &status):
		return err
	case r.options.Rules != nil:
		return oci.Unavailable(http.StatusBadGateway, "the registry behind this proxy does not show the proxy what tags stand for; its operator has to check upstream.service", err)
	case status.Status == http.StatusUnauthorized:
		wanting := status.Wanting(d.caller.repository, string(d.action))
		wanting.Body = oci.ErrorBody(oci.CodeUnauthorized, d.what+" by those who may not pull: the tag, or others of the repository, are locked; sign in with the right to pull too")
		return wanting
	default:
		return r.denyLocked(ctx, d)
	}
}
