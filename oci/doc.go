// Package oci is the grammar and the shapes of the OCI specifications, as far
// as several rooms need them: names of repositories, tags, digests and media
// types, the descriptor and the index that lists descriptors, the names of
// referrers tags, the links of a Link header and the way through the pages of a
// list, and errors as the specification writes them.
//
// It asks nobody and keeps nothing: what comes in is text, what comes out is
// what it says. It guarantees that nothing that can be read is missed, and that
// no input makes it go on for ever. What an answer means is left to whoever
// asked for it.
package oci
