// Package index is the domain of backref: what it knows of the manifests in a
// registry, and the small language in which that knowledge is kept and asked.
//
// A [Record] is one manifest in one repository, an [Edge] is that manifest
// naming another digest, an [Intent] is a push or delete that is under way. A
// [Store] keeps them durably; the packages below this one implement it, and
// all pass the suite in indextest.
//
// The package guarantees the meaning of the words and the order of a listing.
// It talks to no registry and no client, knows no credential, and holds no
// content: an index that is lost can be rebuilt from the registry.
package index
