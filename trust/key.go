package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/sigstore/sigstore/pkg/signature"
)

// leastRSA is the least size of an RSA key, in bits (NIST SP 800-57).
const leastRSA = 2048

// errSignature says that no way of signing by a key fits.
var errSignature = errors.New("the signature is not by this key")

// publicKey is a key that signatures are checked with, in each way that clients sign
// by a key of its kind. It implements [signature.Verifier].
type publicKey struct {
	key  crypto.PublicKey
	ways []signature.Verifier
}

// parseKey reads a public key in PEM.
func parseKey(text []byte) (*publicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("is not one public key in PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("holds a %s, and not a public key", block.Type)
	}
	if err != nil {
		return nil, err
	}
	return newPublicKey(key)
}

func newPublicKey(key crypto.PublicKey) (*publicKey, error) {
	made := &publicKey{key: key}
	add := func(way signature.Verifier, err error) error {
		made.ways = append(made.ways, way)
		return err
	}
	var err error
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < leastRSA {
			return nil, fmt.Errorf("the key has %d bits; need %d", key.N.BitLen(), leastRSA)
		}
		err = add(signature.LoadVerifier(key, crypto.SHA256))
	case *ecdsa.PublicKey:
		// cosign hashes by SHA-256 whatever the curve, others by what fits the curve.
		err = add(signature.LoadVerifier(key, crypto.SHA256))
		switch key.Curve {
		case elliptic.P256():
		case elliptic.P384():
			err = errors.Join(err, add(signature.LoadVerifier(key, crypto.SHA384)))
		case elliptic.P521():
			err = errors.Join(err, add(signature.LoadVerifier(key, crypto.SHA512)))
		default:
			return nil, fmt.Errorf("the curve %s is none of P-256, P-384 and P-521", key.Params().Name)
		}
	case ed25519.PublicKey:
		// Prehashed where it has to be in a log, else pure.
		err = errors.Join(add(signature.LoadED25519Verifier(key)), add(signature.LoadED25519phVerifier(key)))
	default:
		return nil, errors.New("the key is none of ECDSA, Ed25519 and RSA")
	}
	return made, err
}

// hint returns what cosign 3 calls the key in a bundle: the SHA-256 of its DER.
func (k *publicKey) hint() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:]), err
}

// PublicKey returns the key.
func (k *publicKey) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return k.key, nil
}

// VerifySignature checks a signature of a message in each way. Both are read into
// memory: their sizes are bounded where they were fetched.
func (k *publicKey) VerifySignature(by, message io.Reader, options ...signature.VerifyOption) error {
	signed, err := io.ReadAll(by)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	for _, way := range k.ways {
		if way.VerifySignature(bytes.NewReader(signed), bytes.NewReader(said), options...) == nil {
			return nil
		}
	}
	return errSignature
}
