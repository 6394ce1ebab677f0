package registry

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// knownReferrers tells of each tag that has the form of a hidden tag or a kept tag
// whether the index knows the manifest that it is named after as a referrer. All are looked
// up at once: there is one for each referrer of the repository.
func (r *Registry) knownReferrers(ctx context.Context, caller *Caller, tags []string) (map[string]bool, error) {
	var hidden []string
	var named []digest.Digest
	for _, tag := range tags {
		if name, ok := oci.OwnTagOf(tag); ok {
			hidden, named = append(hidden, tag), append(named, name)
		}
	}
	if len(hidden) == 0 {
		return nil, nil
	}
	subjects, err := r.store.Subjects(ctx, caller.repository, named)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(hidden))
	for i, tag := range hidden {
		if subjects[i] != "" {
			known[tag] = true
		}
	}
	return known, nil
}

// isOwn tells whether a tag of the form of a hidden tag or a kept tag is one in deed:
// it stands for the manifest that it is named after, which has a subject if it is a
// hidden tag, or for nothing any more. What was found is remembered as for referrers tags.
func (r *Registry) isOwn(ctx context.Context, caller *Caller, tag string) (bool, error) {
	name, now := r.tagKindName(caller, tag), r.now()
	if before, known := r.tagKinds.get(name); known && now.Sub(before.asked) < r.options.RecheckTag {
		return before.lists, nil
	}
	found, err := r.reader(caller).Manifest(ctx, caller.repository, tag)
	held := false
	switch OutcomeOf(err) {
	case OutcomeRead:
		held = oci.KeptTag(found.Digest) == tag || oci.HiddenTag(found.Digest) == tag && found.Subject() != ""
	case OutcomeGone:
		held = true
	case OutcomeUnreadable, OutcomeExcessive, OutcomeUntyped:
		// It is not shown to be a referrer.
	default:
		return false, err
	}
	r.tagKinds.set(name, tagKind{digest: found.Digest, asked: now, lists: held})
	return held, nil
}

// tagKindName is the name under which it is remembered what a tag is.
func (r *Registry) tagKindName(caller *Caller, tag string) tagName {
	if caller.elsewhere != "" {
		// No registry's name has a space.
		return tagName{caller.elsewhere + " " + caller.repository, tag}
	}
	return tagName{caller.repository, tag}
}
