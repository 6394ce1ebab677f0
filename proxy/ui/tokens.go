package ui

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Bounds of tokens: for how many sessions they are kept, and how long after the first
// of them. What a token service takes back counts on pages after that time.
const (
	tokenSessions = 10_000
	tokenTime     = time.Minute
)

// tokens keeps what token services gave to sessions, so that not each page asks for new
// ones. It is kept in this process alone, by a keyed hash. It may be used concurrently.
type tokens struct {
	key  [sha256.Size]byte
	kept *otter.Cache[[sha256.Size]byte, auth.Cache]
}

func newTokens() *tokens {
	t := &tokens{kept: otter.Must(&otter.Options[[sha256.Size]byte, auth.Cache]{
		MaximumSize: tokenSessions, ExpiryCalculator: otter.ExpiryCreating[[sha256.Size]byte, auth.Cache](tokenTime),
	})}
	// A read of package crypto/rand does not fail.
	_, _ = rand.Read(t.key[:])
	return t
}

// of returns the tokens of a session at an address, which a token service may look at;
// of those without a session where id is empty.
func (t *tokens) of(id string, from netip.Addr) auth.Cache {
	mac := hmac.New(sha256.New, t.key[:])
	_, _ = mac.Write([]byte(from.String() + " " + id))
	key := [sha256.Size]byte(mac.Sum(nil))
	if kept, known := t.kept.GetIfPresent(key); known {
		return kept
	}
	kept, _ := t.kept.SetIfAbsent(key, auth.NewCache())
	return kept
}
