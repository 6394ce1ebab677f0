// Package trust says what signatures prove. A signature claims a signer (package
// claim); it is verified where a signer that the operator has configured for the
// repository, by key, identity or authority, can be shown to have made it, and to
// have made it about this very subject. Both are told, never one as the other, and
// where a signature is not verified the reason is told too.
//
// It guarantees that nothing is asked of the network but content of the artifact
// and its subject, through the [Source] that it is given; that all it reads is
// bounded, and has the digest that it is known by; and that what can't be read is
// an error, and no verdict. Cryptography and the formats are those of sigstore-go
// and notation-go; here is only what they are asked, and what follows.
//
// It leaves to others which referrers there are, who may see them, and what is done
// about a verdict.
package trust
