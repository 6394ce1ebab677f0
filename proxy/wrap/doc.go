// Package wrap holds what all requests have around them, whatever they are
// for. Each wrapper is one file, and takes nothing but its own options.
//
// The wrappers know no path: what a request is about, for the log and the
// metrics, is said by the door (see [Door]), which also writes the answer where
// a wrapper refuses a request (see [Fail]).
package wrap
