// Package claim reads what signatures say of themselves: who signed, by which
// certificate or key, and when. A claim is anyone's to make. Nothing here is
// checked against a key, an authority or a log; what is verified is told by
// package trust, in words of its own.
package claim
