package options

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust"
)

// maxTrustFile is the largest file that says whom to trust, in bytes. The trusted
// root of the public Sigstore has 7 KiB.
const maxTrustFile = 4 << 20

// Verify returns what the configuration says of whose signatures count, with the
// files that it names read. It fails where one can't be; the error names its key.
func Verify(cfg config.Verify) (trust.Options, error) {
	o := trust.Options{MaxSize: int64(cfg.MaxSize), Concurrency: cfg.Concurrency, CacheEntries: cfg.CacheEntries}
	for i, given := range cfg.Signers {
		signer, err := verifySigner(given)
		if err != nil {
			return o, fmt.Errorf("verify.signers[%d].%w", i, err)
		}
		o.Signers = append(o.Signers, signer)
	}
	return o, nil
}

// Verifier returns what judges signatures by the configuration.
func Verifier(cfg config.Verify) (*trust.Verifier, error) {
	o, err := Verify(cfg)
	if err != nil {
		return nil, err
	}
	verifier, err := trust.New(o)
	if err != nil {
		return nil, fmt.Errorf("verify.signers: %w", err)
	}
	return verifier, nil
}

func verifySigner(given config.Signer) (trust.Signer, error) {
	signer := trust.Signer{Name: given.Name, NeedsLog: given.NeedsLog()}
	for _, pattern := range given.Repositories {
		glob, err := oci.ParseGlob(pattern)
		if err != nil {
			return signer, fmt.Errorf("repositories: %w", err)
		}
		signer.Repositories = append(signer.Repositories, glob)
	}
	var err error
	if signer.TrustedRoot, err = trustFiles("trustedRootFile", given.TrustedRootFile); err != nil {
		return signer, err
	}
	switch {
	case given.Notation.Used():
		signer.Notation = &trust.Notation{Identities: given.Notation.Identities}
		signer.Notation.Certificates, err = trustFiles("notation.certificateFiles", given.Notation.CertificateFiles...)
		if err == nil {
			signer.Notation.TimestampCertificates, err = trustFiles("notation.timestampFiles", given.Notation.TimestampFiles...)
		}
	case given.KeyFile != "":
		signer.Key, err = trustFiles("keyFile", given.KeyFile)
	default:
		signer.Identity = &trust.Identity{Issuer: given.Issuer, Subject: given.Identity, Regexp: given.IdentityRegexp}
	}
	return signer, err
}

// trustFiles returns the content of files of a key, one after the other; no name
// is no content.
func trustFiles(key string, paths ...string) ([]byte, error) {
	var all []byte
	for _, path := range paths {
		if path == "" {
			continue
		}
		content, err := trustFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		all = append(append(all, content...), '\n')
	}
	return all, nil
}

func trustFile(path string) (content []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err = io.ReadAll(io.LimitReader(file, maxTrustFile+1))
	if err == nil && len(content) > maxTrustFile {
		err = fmt.Errorf("%s has more than %d MiB", path, maxTrustFile>>20)
	}
	return content, err
}
