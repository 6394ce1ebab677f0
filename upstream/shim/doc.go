// Package shim makes up for what registries lack: each shim is one file, and one
// [upstream.Shim] around the way to a registry, so that clients and all that backref
// asks for itself find there a registry that does what the specification says.
//
// A shim acts on what the registry refuses, or answers wrongly, and on nothing else:
// what a registry does right passes as it came, without a question more. What it
// writes into the registry can be found there again by the registry's API alone.
// Whom the registry lets do what is left to the registry: a shim asks for what it
// needs with the credentials of the request that needs it.
package shim
