// Package probe finds out what a registry can and can't do, by asking it: each
// capability is a small check that returns a verdict, and the request and the answer
// that showed it.
//
// It guarantees that it only reads (GET and HEAD) unless it is told a repository to
// write to, that it writes nowhere else, that it deletes nothing but what it wrote
// itself in the same run, and that each question is bounded in time and in how much of
// its answer is read. What does not follow from an answer is unknown, with the reason.
// What the verdicts are good for is left to its callers; the registry has to be given
// to it without shims, which would answer in its place.
package probe
