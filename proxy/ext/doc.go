// Package ext is the extension: what backref answers below /v2/<name>/_backref
// and at /v2/[<name>/]_oci/ext/Discover, in JSON (docs/extension.md).
//
// The door reads the path and says on whose behalf the request is; the package
// reads the parameters, asks the registry, and has the door send the page. What
// a caller may see is decided by the registry, and an error goes back to the
// door, of which nothing was written yet: an [index.QueryError] where a
// parameter is wrong, an [oci.Error] that says itself how it is answered, or
// what the registry or its upstream failed with.
package ext
