// Package client is a registry as the user of the command line reaches it,
// whether or not a backref stands in front of it.
//
// A [Client] has the user's credentials (those of Docker, helpers too) and
// knows which hosts are spoken to without TLS; a [Repository] asks. Where the
// extension API of backref is there, it answers; else the referrers API of the
// distribution specification does; else the referrers tag schema, and then
// every manifest that a tag lists is fetched, its subject checked and its entry
// built from its own bytes.
//
// The package guarantees that a list is whole or an error, that a manifest has
// the digest it was asked by, and that errors say what to do. It writes single
// blobs and manifests; what belongs together and in which order is left to the
// package transfer.
package client
