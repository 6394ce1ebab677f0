package ui

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errSealed says that a text was not sealed here for this purpose, or by a key that is
// gone.
var errSealed = errors.New("it was not sealed here, or too long ago")

// Bounds of sealed texts.
const (
	// maxSealed is how long a sealed text may be: a browser keeps cookies of 4096 bytes
	// with their names and attributes (RFC 6265, section 6.1).
	maxSealed = 4096
	// keysFresh is how long keys count as known, and keysRest the least time between two
	// looks for a key that is not known, whoever names it.
	keysFresh = time.Minute
	keysRest  = time.Second
	// keyIDSize is how much of a hash tells keys apart.
	keyIDSize = 8
)

// sealer seals what browsers keep for backref: nobody else can read, make or change it.
// All replicas have the same keys. It may be used concurrently.
//
// A sealed text is base64 (RFC 4648, section 5) of a version, which key it is, and the
// content by AES-256-GCM (NIST SP 800-38D) with a random nonce; the purpose goes into
// the key, so that what was sealed for one can't be used for another.
type sealer struct {
	// read returns the keys, the one to seal by last.
	read func(ctx context.Context, now time.Time) ([][]byte, error)
	now  func() time.Time

	mutex  sync.Mutex
	keys   map[[keyIDSize]byte][]byte
	newest [keyIDSize]byte
	at     time.Time
}

const sealVersion = 1

// seal returns a value as a text that only [sealer.open] reads.
func (s *sealer) seal(ctx context.Context, purpose string, value any) (string, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	id, key, err := s.sealing(ctx)
	if err != nil {
		return "", err
	}
	aead, err := cipherOf(key, purpose)
	if err != nil {
		return "", err
	}
	sealed := append([]byte{sealVersion}, id[:]...)
	nonce := make([]byte, aead.NonceSize())
	// A read of package crypto/rand does not fail.
	_, _ = rand.Read(nonce)
	head := len(sealed)
	sealed = append(sealed, nonce...)
	sealed = aead.Seal(sealed, nonce, plain, sealed[:head])
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// open reads a sealed text into a value. Errors: [errSealed], and those of reading keys.
func (s *sealer) open(ctx context.Context, purpose, text string, into any) error {
	if len(text) > maxSealed {
		return errSealed
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < 1+keyIDSize || sealed[0] != sealVersion {
		return errSealed
	}
	key, err := s.opening(ctx, [keyIDSize]byte(sealed[1:1+keyIDSize]))
	if err != nil {
		return err
	}
	aead, err := cipherOf(key, purpose)
	if err != nil {
		return err
	}
	head, rest := sealed[:1+keyIDSize], sealed[1+keyIDSize:]
	if len(rest) < aead.NonceSize() {
		return errSealed
	}
	plain, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], head)
	if err != nil || json.Unmarshal(plain, into) != nil {
		return errSealed
	}
	return nil
}

// sealing returns the key to seal by.
func (s *sealer) sealing(ctx context.Context) (id [keyIDSize]byte, key []byte, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.now().Sub(s.at) >= keysFresh {
		err = s.learn(ctx)
	}
	return s.newest, s.keys[s.newest], err
}

// opening returns the key of a name. One that is not known another replica may have made.
func (s *sealer) opening(ctx context.Context, id [keyIDSize]byte) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if age := s.now().Sub(s.at); age >= keysFresh || s.keys[id] == nil && age >= keysRest {
		if err := s.learn(ctx); err != nil {
			return nil, err
		}
	}
	if key := s.keys[id]; key != nil {
		return key, nil
	}
	return nil, errSealed
}

// learn reads the keys; the lock is held.
func (s *sealer) learn(ctx context.Context) error {
	keys, err := s.read(ctx, s.now())
	if err == nil && len(keys) == 0 {
		err = errors.New("there are none")
	}
	if err != nil {
		return fmt.Errorf("read the keys of sessions: %w", err)
	}
	s.keys, s.at = map[[keyIDSize]byte][]byte{}, s.now()
	for _, key := range keys {
		sum := sha256.Sum256(key)
		s.newest = [keyIDSize]byte(sum[:keyIDSize])
		s.keys[s.newest] = key
	}
	return nil
}

// cipherOf returns what seals for a purpose by a key (RFC 5869).
func cipherOf(key []byte, purpose string) (cipher.AEAD, error) {
	const size = 32 // AES-256
	derived, err := hkdf.Key(sha256.New, key, nil, "backref web page: "+purpose, size)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
