// Package artifact tells what artifacts that are attached to images are, and say:
// signatures, SBOMs, attestations, reports. It believes nothing: what an artifact
// claims is repeated as claimed, and whether it is true is for others to find out.
// It does no I/O.
package artifact
