package ui

import (
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// Bounds of guesses: how many a client may make at once, how long it waits for each
// further one, and how many clients are told apart; those that guess seldom are
// forgotten first.
const (
	guessBurst   = 10
	guessPause   = 5 * time.Second
	guessClients = 10_000
)

// guesses slows down who tries passwords, by the address that they come from. It may be
// used concurrently.
type guesses struct {
	clients *otter.Cache[netip.Addr, *rate.Limiter]
}

func newGuesses() *guesses {
	return &guesses{otter.Must(&otter.Options[netip.Addr, *rate.Limiter]{MaximumSize: guessClients})}
}

// may counts a guess, and tells whether it is one too many.
func (g *guesses) may(client netip.Addr, now time.Time) bool {
	limiter, known := g.clients.GetIfPresent(client)
	if !known {
		limiter, _ = g.clients.SetIfAbsent(client, rate.NewLimiter(rate.Every(guessPause), guessBurst))
	}
	return limiter.AllowN(now, 1)
}
