// Package proxy is backref's HTTP surface: it passes distribution traffic
// through to the registry, notes the subject of every manifest on its way in,
// and answers referrers queries from the index.
//
// A request is parsed once, in path.go and routes.go, into a value that can
// only be valid. There is one file per endpoint family; what all requests
// share (identifiers, logs, metrics, recovery, limits) is in the wrappers of
// package wrap. Every error of our own leaves through the writer in
// errors.go; what the registry answered is relayed as it is.
//
// The package guarantees that a client which has its 201 with OCI-Subject
// finds that referrer in every later listing, that a listing is whole or an
// error, and that it is shown only to clients whom the registry lets read in
// the repository. It leaves the storing to index and the asking to upstream.
package proxy
