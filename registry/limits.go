package registry

import "github.com/backref/backref/index"

// Limits bound what is read, held and shown. Sizes are in bytes. Of those in use
// nothing is changed: others take their place, see [Registry.SetLimits].
type Limits struct {
	// Manifest and Size bound one manifest, and Memory those that are held at
	// once.
	Manifest     index.ManifestLimits
	Size, Memory int64
	// Annotations bounds those of a referrer that is pushed, and Descriptor an
	// entry of a listing.
	Annotations int64
	Descriptor  int
	// Entries is the most that a referrers tag may list, or the upstream's own
	// API, of one subject.
	Entries int
	// Listings bounds the listings together that are kept because they were served
	// under referrers tags.
	Listings int64
	// ListEntries is the most tags of a repository that are read.
	ListEntries int
	// Subjects is of how many it is remembered what was found out about them. It
	// stays what it was at first.
	Subjects int
	// Cascade is the most referrers that are deleted with a manifest.
	Cascade int
	// TreeNodes and Response bound a tree.
	TreeNodes, Response int
	// Concurrency is how many manifests are read at once for one question.
	Concurrency int
}

// Limits returns the limits of the moment, which the caller must not change.
func (r *Registry) Limits() *Limits { return r.limits.Load() }

// SetLimits has other limits count from now on. What is under way may go on
// within those that it has begun with.
func (r *Registry) SetLimits(limits Limits) {
	r.limits.Store(&limits)
	r.memory.room.resize(limits.Memory)
	r.envelopes.resize(int64(limits.Concurrency))
	r.dating.resize(int64(limits.Concurrency))
}
