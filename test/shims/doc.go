// Package shims proves from the outside what backref makes up for in registries that
// lack it (upstream.shims): that what they refuse is kept all the same, listed, served,
// found again and deleted; that content is found by a sha512; and that nothing is made
// up where the registry is right.
package shims
