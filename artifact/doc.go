// Package artifact is what artifacts say: the small documents that tools attach
// to images (SBOMs, attestations, signatures, scans), read into plain structs.
//
// [Read] guarantees that it never fails and never panics, whoever wrote the
// document: what it doesn't know is JSON, and else text. It reads within the
// bounds that the constants Max… tell, and says in the result what was cut, and
// where another reader may find something else in the same bytes. It goes by the
// content, since many push documents as application/json or text/plain; the media
// type decides only between what the content leaves open.
//
// Nothing is verified here. What a document says is what its author claims:
// signatures are proven elsewhere. Nothing is fetched, and nothing is inflated.
package artifact
