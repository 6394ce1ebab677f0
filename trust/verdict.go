package trust

import (
	"slices"
	"time"

	"github.com/backref/backref/trust/claim"
)

// Verdict says what an artifact claims of who signed, and what of it is verified.
// Its zero value is that of an artifact that is no signature.
type Verdict struct {
	// Signature says that the artifact is of a type that holds signatures:
	// signatures of images, and signed attestations about them.
	Signature bool `json:"signature"`
	// Claims are what its signatures say of themselves, one each, unverified.
	Claims []claim.Claim `json:"claims,omitempty"`
	// Verified says that a configured signer made at least one of them, about the
	// subject. Of an attestation it proves who states it; whether what is stated is
	// good is for who reads it.
	Verified bool `json:"verified"`
	// By are the names of all signers that are shown to have made one, in the order
	// of the configuration.
	By []string `json:"by,omitempty"`
	// Proven is what of it those are shown to have made: an artifact may hold several
	// signatures, and its annotations, which anyone writes, may say something else.
	Proven []Proven `json:"-"`
	// Reason says in words for people why the artifact is not verified; empty where
	// it is, or is no signature.
	Reason string `json:"reason,omitempty"`
	// Until is when the verdict may change by itself, since a certificate expires;
	// nil where it holds as long as the configuration does.
	Until *time.Time `json:"until,omitempty"`
}

// Proven is a signature that a signer is shown to have made about the subject.
type Proven struct {
	By string
	// Predicate is the type of the statement that is signed; empty for a signature of
	// the subject itself.
	Predicate string
}

// SignedBy tells whether one of the signers is shown to have signed. Without names
// it tells whether any signer is.
func (v Verdict) SignedBy(names ...string) bool {
	if len(names) == 0 {
		return v.Verified
	}
	return slices.ContainsFunc(v.By, func(by string) bool { return slices.Contains(names, by) })
}

// clone returns a verdict that shares nothing.
func (v Verdict) clone() Verdict {
	v.Claims, v.By, v.Proven = slices.Clone(v.Claims), slices.Clone(v.By), slices.Clone(v.Proven)
	return v
}

// The weights of doubts: of several the heaviest is told, which comes nearest to
// why a signature does not count that was meant to.
const (
	// weightStranger is of a signature by somebody else.
	weightStranger = iota
	// weightUnreadable is of what is no signature that can be read.
	weightUnreadable
	// weightOther is of a signature of something else.
	weightOther
	// weightClose is of a signature that claims to be by a signer, and fails.
	weightClose
)

// doubt is why a signature does not count.
type doubt struct {
	reason string
	weight int
}

// heavier returns the doubt to tell of two; the first where they weigh the same.
func (d *doubt) heavier(other *doubt) *doubt {
	if d == nil || other != nil && other.weight > d.weight {
		return other
	}
	return d
}

// stranger is the doubt about a signature by nobody who is configured.
func stranger(c claim.Claim) *doubt {
	who := c.Signer()
	if who == "" {
		return &doubt{"signed by a key that is none of a signer of this repository", weightStranger}
	}
	return &doubt{"signed by " + who + ", which no signer of this repository is", weightStranger}
}
