package registry

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// locked is the [Writer] by which a locked tag stays what it is from its first
// push: it is neither moved nor deleted, nor is the manifest that it stands for or
// one that an index behind it lists. The same manifest again is fine, and so is
// all that moves no tag.
//
// What a tag stands for is asked as the caller, by who owns the tag among all
// replicas ([conditions] takes it). A caller who is not told moves no locked tag.
type locked struct {
	registry *Registry
	next     Writer
}

// paramTag is the parameter by which a push by digest names tags
// (distribution-spec, "Pushing Manifests").
const paramTag = "tag"

// lockedTag is a tag that is written, and the rule that locks it.
type lockedTag struct {
	name string
	policy.Decision
}

// Push implements [Writer].
func (w locked) Push(ctx context.Context, push *Push) (*http.Response, error) {
	tags, err := w.registry.lockedTagsOf(push)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return w.next.Push(ctx, push)
	}
	turn, err := w.registry.ownTags(ctx, push, tags)
	if err != nil {
		return nil, err
	}
	defer turn.release()
	first := false
	for _, tag := range tags {
		stands, err := w.registry.standsFor(ctx, push.Caller, tag, policy.Push)
		switch {
		case err != nil:
			return nil, err
		case stands == "":
			first = true
		case stands.Algorithm().FromBytes(push.Body) != stands:
			return nil, w.registry.denyLocked(ctx, denial{push.Caller, policy.Push, Reference{Tag: tag.name}, tag.Decision, "tag " + tag.name + " can't be moved"})
		}
	}
	if first {
		if err := w.registry.holdPushed(ctx, push, turn); err != nil {
			return nil, err
		}
	}
	owned := *push
	owned.turn.conditional, owned.turn.held = true, turn.held
	resp, err := w.next.Push(ctx, &owned)
	for _, tag := range tags {
		w.registry.locked.tags.Invalidate(w.registry.tagKindName(push.Caller, tag.name))
	}
	return resp, err
}

// lockedTagsOf returns the locked tags that a push writes, in their order: the one
// that it goes to, and those that its query names.
func (r *Registry) lockedTagsOf(push *Push) ([]lockedTag, error) {
	var tags []lockedTag
	if push.turn.lock.Denied {
		tags = append(tags, lockedTag{push.Tag, push.turn.lock})
	}
	locks, repository, now := r.Policies().Locks, push.Caller.repository, r.now()
	if _, in := locks.In(repository, now); !in || push.RawQuery == "" {
		return tags, nil
	}
	query, err := url.ParseQuery(push.RawQuery)
	if err != nil {
		return nil, oci.BadRequest(oci.CodeUnsupported, "the query of this push can't be read, so that it may name locked tags")
	}
	named := slices.Compact(slices.Sorted(slices.Values(query[paramTag])))
	for _, name := range named {
		decision := locks.Decide(repository, name, now)
		switch {
		case !decision.Denied || name == push.Tag:
		case push.Tag != "":
			return nil, Denied(decision, "tag "+name+" can't be written by a push to another tag")
		default:
			tags = append(tags, lockedTag{name, decision})
		}
	}
	return tags, nil
}

// ownTags returns when nobody else writes the tags, through any process. The one
// that a push goes to it has already.
func (r *Registry) ownTags(ctx context.Context, push *Push, tags []lockedTag) (*holding, error) {
	turn := &holding{held: slices.Clone(push.turn.held)}
	for _, tag := range tags {
		if tag.name == push.Tag {
			continue
		}
		held, release, err := r.lockTag(ctx, tagName{push.Caller.repository, tag.name})
		if err != nil {
			turn.release()
			return nil, err
		}
		turn.add(held, release)
	}
	return turn, nil
}

// Delete implements [Writer].
func (w locked) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	r, caller := w.registry, deletion.Caller
	policies, now := r.Policies(), r.now()
	rule, in := policies.Locks.In(caller.repository, now)
	if !in {
		return w.next.Delete(ctx, deletion)
	}
	manifest := deletion.Digest
	if deletion.Tag != "" {
		tag := lockedTag{deletion.Tag, policies.Locks.Decide(caller.repository, deletion.Tag, now)}
		if !tag.Denied && policies.DeletesTagsAlone {
			return w.next.Delete(ctx, deletion)
		}
		if tag.Rule == "" {
			tag.Rule = rule
		}
		stands, err := r.standsFor(ctx, caller, tag, policy.Delete)
		switch {
		case err != nil:
			return nil, err
		case tag.Denied && stands == "":
			// By the time that the upstream had the delete somebody could have pushed it.
			return nil, oci.NotFound(oci.CodeManifestUnknown, "the tag is not known to the registry", nil)
		case tag.Denied:
			return nil, r.denyLocked(ctx, denial{caller, policy.Delete, deletion.Reference, tag.Decision, "tag " + tag.name + " can't be deleted"})
		case stands == "":
			return w.next.Delete(ctx, deletion)
		}
		manifest = stands
	}
	return w.deleteUnlessHeld(ctx, deletion, manifest)
}

// deleteUnlessHeld passes on the delete of a manifest, or of an unlocked tag that
// stands for it, unless a locked tag holds the manifest. Nobody pushes one that
// would meanwhile.
func (w locked) deleteUnlessHeld(ctx context.Context, deletion *Deletion, manifest digest.Digest) (*http.Response, error) {
	r := w.registry
	var hold holding
	defer hold.release()
	if err := r.holdManifests(ctx, deletion.Caller.repository, &hold, manifest); err != nil {
		return nil, err
	}
	decision, err := r.LockedBy(ctx, deletion.Caller, manifest)
	switch {
	case err != nil:
		return nil, err
	case decision.Denied && deletion.Tag != "":
		decision.Reason = "some registries delete the manifest with its tag (tags.deletion), but " + decision.Reason
		return nil, r.denyLocked(ctx, denial{deletion.Caller, policy.Delete, Reference{deletion.Tag, manifest}, decision, "tag " + deletion.Tag + " can't be deleted"})
	case decision.Denied:
		return nil, r.denyLocked(ctx, denial{deletion.Caller, policy.Delete, deletion.Reference, decision, "manifest " + manifest.String() + " can't be deleted"})
	}
	owned := *deletion
	owned.Send = func(ctx context.Context) (*http.Response, error) { return r.sendHeld(ctx, hold.held, deletion.Send) }
	return w.next.Delete(ctx, &owned)
}

// denial is what a locked tag does not let happen.
type denial struct {
	caller *Caller
	action policy.Action
	Reference
	policy.Decision
	what string
}

// denyLocked returns the answer to a denial, which is recorded.
func (r *Registry) denyLocked(ctx context.Context, d denial) *oci.Error {
	r.audit(ctx, AuditEvent{
		Outcome: AuditDenied, Action: string(d.action), Repository: d.caller.repository,
		Tag: d.Tag, Digest: d.Digest, Rule: d.Rule, Reason: d.Reason,
	})
	return Denied(d.Decision, d.what)
}
