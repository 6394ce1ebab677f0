package notice

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"reflect"
	"time"
)

// Hook is where messages of some notices are sent.
type Hook struct {
	// Name is what the hook is known by in the journal, in logs and in metrics: letters,
	// digits and dashes.
	Name string
	// URL is where messages are sent. It may hold a secret, so it is shown nowhere.
	URL *url.URL
	// Secrets sign messages; see [ParseSecrets].
	Secrets [][]byte
	Filter  Filter
	// Timeout bounds one attempt; 0 means [DefaultTimeout].
	Timeout time.Duration
	// MaxAge is how old a notice may be that is tried again; 0 means [DefaultMaxAge].
	MaxAge time.Duration
	// Attempts is the most attempts of one message; 0 means as many as MaxAge allows.
	Attempts int
}

// The defaults of a hook.
const (
	DefaultTimeout = 10 * time.Second
	DefaultMaxAge  = 24 * time.Hour
)

func (h Hook) withDefaults() Hook {
	if h.Timeout <= 0 {
		h.Timeout = DefaultTimeout
	}
	if h.MaxAge <= 0 {
		h.MaxAge = DefaultMaxAge
	}
	return h
}

// target tells one URL from another without being it.
func (h Hook) target() string {
	sum := sha256.Sum256([]byte(h.URL.String()))
	return hex.EncodeToString(sum[:8])
}

// Settings say what is kept and sent. They may change while a [Service] runs.
type Settings struct {
	// Keep is for how long news are kept for feeds; 0 means that there are none.
	Keep time.Duration
	// Entries is the most news that are kept, about, for feeds and hooks together.
	Entries int
	Hooks   []Hook
}

// on tells whether anybody wants news.
func (s Settings) on() bool { return s.Keep > 0 || len(s.Hooks) > 0 }

func (s Settings) equal(other Settings) bool { return reflect.DeepEqual(s, other) }

// hook returns the hook of a name.
func (s Settings) hook(name string) (Hook, bool) {
	for _, h := range s.Hooks {
		if h.Name == name {
			return h.withDefaults(), true
		}
	}
	return Hook{}, false
}
