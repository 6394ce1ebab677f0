// Package split keeps the manifests that have a subject in a second registry, beside
// the one that has the images, so that clients and all that backref asks for itself
// find one registry with both.
//
// The first registry, the primary, decides who may do what: a client never signs in to
// the second, which backref uses with its own credentials alone, and what the second
// has is shown only to who may read in the primary just now. A "not found" of the
// primary is no permission. Nothing that the primary answers but that is changed, and
// what the second can't be asked for is an error, never missing.
package split
