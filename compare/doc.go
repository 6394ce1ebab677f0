// Package compare tells the difference between two images, wherever they are: what
// they are made of (platforms, layers, configuration), what is attached to them
// (signatures, attestations, reports), and which packages their SBOMs list.
//
// It guarantees that what it compares has the digest by which it was named, that
// what it could not read is named in the result, and that equal images give an
// equal result, in the same order. Nothing is verified but digests: an SBOM says
// what its author claims. How a difference is shown is left to others.
package compare
