// Package proxy is the door: backref's HTTP surface. It passes distribution
// traffic through to the upstream registry, and shows by the endpoints of the
// specification and of the extension what package registry says, to whom
// registry says it.
//
// A request is parsed once, in path.go, into a value that can only be valid, and
// served by its row of the one table in endpoints.go. There is one file per
// endpoint family; a handler parses, has the registry permit and act, and
// answers. What all requests share (identifiers, logs, metrics, recovery, limits)
// is in the wrappers of package wrap. Handlers return their errors: every one
// leaves through the writer in errors.go; what the upstream answered is relayed
// as it is.
//
// The package guarantees that bodies pass unchanged and streamed, that status
// and headers reach the client however a body ends, and that no route is open
// that the table doesn't open. It leaves to registry who may see what, and what
// becomes of pushes and deletes.
package proxy
