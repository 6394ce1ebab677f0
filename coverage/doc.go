// Package coverage tells which images lack something that they have to have: a
// signature, an SBOM, an attestation of a type, anything else that refers to them.
//
// A [Requirement] says what is wanted and of which images, [Policy] how old it may
// be and who has to have signed it, and [Policy.Judge] how an image fares with what
// is attached to it. All of it is pure: what is attached is gathered by others, and
// so is whether a signature is somebody's.
package coverage
