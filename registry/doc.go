// Package registry is the registry behind backref as those see it who act on
// what is there: a [Reader] judges what stands behind a tag, and [OwnTags] is
// the one place through which backref writes and deletes anything of its own.
//
// It guarantees that nothing is overwritten or deleted but what was shown, just
// before, to be a referrers index of exactly that subject, or the hidden tag of
// exactly that referrer. What a listing is and when a tag is to be written is
// left to its callers; what clients push and delete passes elsewhere.
package registry
