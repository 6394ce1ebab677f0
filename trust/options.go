package trust

import (
	"fmt"
	"time"

	"github.com/backref/backref/oci"
)

// Options say whose signatures count. What is in files has been read: a [Verifier]
// opens none.
type Options struct {
	// Signers have unique names.
	Signers []Signer
	// MaxSize is the largest blob of a signature that is read, in bytes; 0 stands
	// for [DefaultMaxSize].
	MaxSize int64
	// Concurrency is how many artifacts are judged at once; 0 stands for
	// [DefaultConcurrency]. Others wait.
	Concurrency int
	// CacheEntries is how many verdicts are remembered; 0 stands for
	// [DefaultCacheEntries].
	CacheEntries int
	// Now tells the time; nil for that of the machine. What notation-go compares
	// with the present is compared with that of the machine in any case.
	Now func() time.Time
}

// The defaults of [Options].
const (
	DefaultMaxSize      = 8 << 20
	DefaultConcurrency  = 4
	DefaultCacheEntries = 10_000
)

// Signer is somebody whose signatures count, in some repositories. It is said in
// exactly one way who it is: by Key, by Identity, or by Notation.
type Signer struct {
	Name string
	// Repositories are those that the signer counts in; none stands for all.
	Repositories []oci.Glob
	// Key is a public key in PEM: ECDSA, Ed25519 or RSA.
	Key []byte
	// Identity is who holds a certificate of Sigstore.
	Identity *Identity
	// Notation is whose certificates notation signs with.
	Notation *Notation
	// TrustedRoot is a trusted_root.json of Sigstore: the authorities and logs of
	// Identity, and the logs of Key where it needs one.
	TrustedRoot []byte
	// NeedsLog says that signatures have to be in a transparency log of TrustedRoot.
	NeedsLog bool
}

// Identity is who a certificate of Fulcio names.
type Identity struct {
	// Issuer is the OpenID Connect issuer, as it is.
	Issuer string
	// Subject is the address or URI of the certificate, as it is; or Regexp, which
	// the whole of it has to match (syntax of package regexp).
	Subject, Regexp string
}

// Notation is whose certificates count for signatures of the Notary Project.
type Notation struct {
	// Certificates are in PEM: of authorities, or self-signed ones that sign.
	Certificates []byte
	// Identities are as in a trust policy of notation: "x509.subject: C=…, ST=…,
	// O=…", or "*" for whoever has a certificate of these.
	Identities []string
	// TimestampCertificates are root certificates of timestamp authorities, in PEM;
	// empty for none. With them a signature counts after its certificate has
	// expired, where a timestamp shows that it was made before.
	TimestampCertificates []byte
}

// filled returns the options with their defaults.
func (o Options) filled() Options {
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.CacheEntries == 0 {
		o.CacheEntries = DefaultCacheEntries
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// signer is a signer that can be asked.
type signer struct {
	name         string
	repositories []oci.Glob
	// One of them is set.
	sigstore *sigstoreSigner
	notation *notationSigner
}

// newSigner reads what a signer is known by.
func newSigner(o Options, s Signer) (*signer, error) {
	made := &signer{name: s.Name, repositories: s.Repositories}
	var err error
	switch {
	case s.Notation != nil:
		made.notation, err = newNotationSigner(*s.Notation)
	case s.Identity != nil:
		made.sigstore, err = newIdentitySigner(*s.Identity, s.TrustedRoot, s.NeedsLog)
	default:
		made.sigstore, err = newKeySigner(s.Key, s.TrustedRoot, s.NeedsLog)
	}
	if err != nil {
		return nil, fmt.Errorf("signer %s: %w", s.Name, err)
	}
	if made.sigstore != nil {
		made.sigstore.name, made.sigstore.now = s.Name, o.Now
	}
	return made, nil
}

// countsIn tells whether a signer counts in a repository.
func (s *signer) countsIn(repository string) bool {
	for _, glob := range s.repositories {
		if glob.Match(repository) {
			return true
		}
	}
	return len(s.repositories) == 0
}
