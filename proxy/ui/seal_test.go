package ui

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// keyOf returns a key that a name stands for.
func keyOf(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

// sealerOf returns a sealer with keys, the one to seal by last.
func sealerOf(names ...string) *sealer {
	return &sealer{now: time.Now, read: func(context.Context, time.Time) ([][]byte, error) {
		var keys [][]byte
		for _, name := range names {
			keys = append(keys, keyOf(name))
		}
		return keys, nil
	}}
}

func sealed(t testing.TB, s *sealer, purpose, value string) string {
	t.Helper()
	text, err := s.seal(t.Context(), purpose, value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is sealed is read by who has the key, for the same purpose, and by nobody else.
func TestSealed(t *testing.T) {
	text := sealed(t, sealerOf("old", "new"), "session", "a s3cret")
	if strings.Contains(text, "s3cret") {
		t.Error("it can be read")
	}
	for name, s := range map[string]*sealer{"the same keys": sealerOf("old", "new"), "a newer key beside": sealerOf("new", "newest")} {
		var read string
		if err := s.open(t.Context(), "session", text, &read); err != nil || read != "a s3cret" {
			t.Errorf("%s: %q, %v", name, read, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string]struct {
		by            *sealer
		purpose, text string
	}{
		"another key":          {sealerOf("other"), "session", text},
		"an old key alone":     {sealerOf("old"), "session", text},
		"another purpose":      {sealerOf("new"), "form", text},
		"empty":                {sealerOf("new"), "session", ""},
		"no base64":            {sealerOf("new"), "session", "!" + text[1:]},
		"truncated":            {sealerOf("new"), "session", text[:len(text)-4]},
		"the head alone":       {sealerOf("new"), "session", base64.RawURLEncoding.EncodeToString(raw[:9])},
		"longer":               {sealerOf("new"), "session", text + "AAAA"},
		"longer than a cookie": {sealerOf("new"), "session", strings.Repeat("A", maxSealed+1)},
	}
	for i := range raw {
		changed := append([]byte{}, raw...)
		changed[i] ^= 1
		var read string
		if err := sealerOf("new").open(t.Context(), "session", base64.RawURLEncoding.EncodeToString(changed), &read); !errors.Is(err, errSealed) {
			t.Errorf("byte %d changed: %q, %v", i, read, err)
		}
	}
	for name, try := range forged {
		var read string
		if err := try.by.open(t.Context(), try.purpose, try.text, &read); !errors.Is(err, errSealed) {
			t.Errorf("%s: %q, %v", name, read, err)
		}
	}
}

// A key that another replica has just made is looked for, and not for each stranger.
func TestKeysOfOtherReplicas(t *testing.T) {
	now, reads := time.Now(), 0
	names := []string{"first"}
	s := &sealer{now: func() time.Time { return now }, read: func(context.Context, time.Time) ([][]byte, error) {
		reads++
		var keys [][]byte
		for _, name := range names {
			keys = append(keys, keyOf(name))
		}
		return keys, nil
	}}
	var read string
	text := sealed(t, s, "session", "mine")
	stranger := sealed(t, sealerOf("stranger"), "session", "mine")
	for range 10 {
		if err := s.open(t.Context(), "session", stranger, &read); !errors.Is(err, errSealed) {
			t.Error(err)
		}
	}
	if reads != 1 {
		t.Errorf("keys were read %d times", reads)
	}
	names, now = append(names, "second"), now.Add(2*time.Second)
	if err := s.open(t.Context(), "session", sealed(t, sealerOf("second"), "session", "theirs"), &read); err != nil || read != "theirs" {
		t.Errorf("%q, %v", read, err)
	}
	if err := s.open(t.Context(), "session", text, &read); err != nil || read != "mine" {
		t.Errorf("%q, %v", read, err)
	}
	// A key that is gone opens nothing any more.
	names, now = names[1:], now.Add(keysFresh)
	if err := s.open(t.Context(), "session", text, &read); !errors.Is(err, errSealed) {
		t.Error(err)
	}
}

// No text is read that was not sealed, and none has the sealer fail otherwise.
func FuzzSealed(f *testing.F) {
	f.Add(sealed(f, sealerOf("new"), "session", "x"))
	f.Add("")
	f.Add("AQAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		var read session
		if err := sealerOf("key that nothing here was sealed by").open(t.Context(), "session", text, &read); !errors.Is(err, errSealed) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
