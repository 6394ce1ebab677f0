// Package registry is the registry behind backref as those see it who act on
// what is there: clients, by their requests, and backref itself. A [Reader] is
// the one place where manifests are read, and judges what stands behind a tag;
// a [Registry] shows what a [Caller] may see and takes what it pushes and deletes
// by a [Writer]; [OwnTags] is the one place through which backref writes and
// deletes anything of its own, and [Removal] the one through which it deletes what
// rules remove.
//
// It guarantees that nothing is overwritten or deleted of backref's own accord
// but what was shown, just before, to be a referrers index of exactly that
// subject, the hidden tag of exactly that referrer, or what a rule removes and
// nothing was seen to hold; that a listing is shown
// only to a caller that was let in; and that no listing is silently short. How a
// request looks, and when backref acts of its own accord, is left to its callers.
package registry
