package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Verify configures whose signatures are verified.
type Verify struct {
	Signers      []Signer `key:"signers" doc:"Whose signatures count, and in which repositories: each by a public key, by an identity of Sigstore, or by certificates of notation. See verification.md." reload:"true"`
	MaxSize      Size     `key:"maxSize" doc:"The largest signature or attestation that is read. A larger one is not verified." reload:"true"`
	Concurrency  int      `key:"concurrency" doc:"How many artifacts are judged at once; others wait. Each may take a few times verify.maxSize of memory." reload:"true"`
	CacheEntries int      `key:"cacheEntries" doc:"How many verdicts are remembered: verified ones for an hour, or until a certificate expires, others for a minute." reload:"true"`
}

// The values of [Signer.TransparencyLog].
const (
	LogRequired = "required"
	LogIgnored  = "ignored"
)

// Signer is somebody whose signatures count.
type Signer struct {
	Name            string         `key:"name" doc:"The name of the signer, by which verdicts name it." required:"true"`
	Repositories    []string       `key:"repositories" doc:"Repositories that the signer counts in, as patterns: * stands for any part of a name without a slash, ** for any part. All where none is given."`
	KeyFile         string         `key:"keyFile" doc:"File with the signer's public key in PEM: ECDSA, Ed25519 or RSA." reload:"true" file:"true"`
	Issuer          string         `key:"issuer" doc:"The OpenID Connect issuer of the signer's certificates, as it is, such as https://token.actions.githubusercontent.com. It needs identity or identityRegexp, and trustedRootFile."`
	Identity        string         `key:"identity" doc:"The address or URI in the signer's certificates, as it is."`
	IdentityRegexp  string         `key:"identityRegexp" doc:"Instead of identity a regular expression that the whole address or URI has to match."`
	TrustedRootFile string         `key:"trustedRootFile" doc:"File with a trusted_root.json of Sigstore: the authorities that issue the certificates, and the logs." reload:"true" file:"true"`
	TransparencyLog string         `key:"transparencyLog" doc:"Whether a signature has to be in a transparency log of trustedRootFile. Where the key is left out it is required of an identity, and ignored of a key." enum:"required,ignored"`
	Notation        SignerNotation `key:"notation" doc:"The signer signs with notation, by certificates."`
}

// SignerNotation is whose certificates notation signs with.
type SignerNotation struct {
	CertificateFiles []string `key:"certificateFiles" doc:"Files of PEM certificates that the signer's have to come from: of authorities, or self-signed ones." reload:"true" file:"true"`
	Identities       []string `key:"identities" doc:"Who of these counts, as in a trust policy of notation: \"x509.subject: C=US, ST=WA, O=example\", or \"*\" for whoever has such a certificate."`
	TimestampFiles   []string `key:"timestampFiles" doc:"Files of PEM root certificates of timestamp authorities. With them a signature counts after its certificate has expired, where a timestamp shows that it was made before." reload:"true" file:"true"`
}

// Used tells whether anything is said of notation.
func (n SignerNotation) Used() bool {
	return len(n.CertificateFiles)+len(n.Identities)+len(n.TimestampFiles) > 0
}

// NeedsLog tells whether signatures have to be in a transparency log.
func (s Signer) NeedsLog() bool {
	if s.TransparencyLog == "" {
		return s.KeyFile == ""
	}
	return s.TransparencyLog == LogRequired
}

// validateVerify checks what can be told of signers without reading their files.
func validateVerify(cfg *Config, check func(path string, err error)) {
	names := map[string]bool{}
	for i, signer := range cfg.Verify.Signers {
		key := fmt.Sprintf("verify.signers[%d]", i)
		check(key, checkSigner(signer))
		if names[signer.Name] && signer.Name != "" {
			check(key, fmt.Errorf("signer %s: there are two of this name", signer.Name))
		}
		names[signer.Name] = true
	}
}

func checkSigner(s Signer) error {
	if err := checkSignerName(s.Name); err != nil {
		return err
	}
	byIdentity := s.Issuer != "" || s.Identity != "" || s.IdentityRegexp != ""
	ways := 0
	for _, way := range []bool{s.KeyFile != "", byIdentity, s.Notation.Used()} {
		if way {
			ways++
		}
	}
	var err error
	switch {
	case ways == 0:
		err = errors.New("needs keyFile, issuer with identity, or notation: nothing says whose signatures count")
	case ways > 1:
		err = errors.New("has more than one of keyFile, issuer with identity, and notation; make a signer of each")
	case byIdentity:
		err = checkIdentity(s)
	case s.KeyFile != "":
		err = checkKeySigner(s)
	default:
		err = checkNotation(s)
	}
	if err != nil {
		return fmt.Errorf("signer %s %w", s.Name, err)
	}
	return nil
}

// checkSignerName makes sure that a signer can be named in a list and a table.
func checkSignerName(name string) error {
	switch {
	case name == "":
		return errors.New("a signer has no name")
	case len(name) > maxRuleName:
		return fmt.Errorf("the name of a signer has more than %d bytes", maxRuleName)
	case strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"\,`, c) }):
		return fmt.Errorf("the name of the signer %q has characters beside those of printable ASCII, or a space, comma, quote or backslash", name)
	default:
		return nil
	}
}

func checkIdentity(s Signer) error {
	switch {
	case s.Issuer == "":
		return errors.New("needs issuer: an identity counts only where it is known who vouches for it")
	case (s.Identity == "") == (s.IdentityRegexp == ""):
		return errors.New("needs one of identity and identityRegexp")
	case s.TrustedRootFile == "":
		return errors.New("needs trustedRootFile: the certificates have to come from an authority")
	}
	if _, err := regexp.Compile(s.IdentityRegexp); err != nil {
		return fmt.Errorf("has an identityRegexp that can't be read: %w", err)
	}
	return nil
}

func checkKeySigner(s Signer) error {
	if s.NeedsLog() && s.TrustedRootFile == "" {
		return errors.New("needs trustedRootFile: transparencyLog is required, and it says which logs count")
	}
	if !s.NeedsLog() && s.TrustedRootFile != "" {
		return errors.New("has a trustedRootFile that nothing is read of: a key needs it for transparencyLog required only")
	}
	return nil
}

func checkNotation(s Signer) error {
	switch {
	case len(s.Notation.CertificateFiles) == 0:
		return errors.New("needs notation.certificateFiles")
	case len(s.Notation.Identities) == 0:
		return errors.New(`needs notation.identities; "*" is whoever has a certificate of the authorities`)
	case s.TransparencyLog != "" || s.TrustedRootFile != "":
		return errors.New("has transparencyLog or trustedRootFile, which are for keys and identities of Sigstore, and not for notation")
	default:
		return nil
	}
}
