package rig

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
)

// signES256 signs a text as RFC 7518 wants it: both numbers, of one length.
func signES256(key *ecdsa.PrivateKey, text string) ([]byte, error) {
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}
