package proxy

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"

	"github.com/backref/backref/proxy/wrap"
)

// User implements [wrap.Door]: who signed in, or in auth.mode passthrough the name
// that the client's credentials give for it.
func (e *entry) User(r *http.Request) (name string, claimed bool) {
	switch {
	case !e.client.Anonymous():
		return wrap.Printable(e.client.User, maxLoggedUser), false
	case e.by != nil:
		return "", false
	}
	name = claimedUser(r.Header.Get("Authorization"))
	return name, name != ""
}

// claimedUser returns whom credentials say that they are of: the user name of
// Basic ones, or the subject of a token. Nobody has looked whether that is true.
// What may be a secret itself is left out: some registries take a token for a user
// name.
func claimedUser(authorization string) string {
	scheme, rest, _ := strings.Cut(authorization, " ")
	name := ""
	switch strings.ToLower(scheme) {
	case "basic":
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		if err != nil {
			return ""
		}
		user, password, _ := strings.Cut(string(decoded), ":")
		if password == "" || password == user || strings.HasPrefix(password, "x-oauth") {
			return ""
		}
		name = user
	case "bearer":
		name = subjectOf(strings.TrimSpace(rest))
	}
	if name == "" || mayBeSecret(name) {
		return ""
	}
	return name
}

// tokenParts is how many parts a signed JSON Web Token has (RFC 7515, "Overview").
const tokenParts = 3

// subjectOf returns the subject that a token states; empty for what is none.
func subjectOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != tokenParts {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return ""
	}
	return claims.Subject
}

// Bounds of what is taken for a name.
const (
	maxClaimedName = 128
	// longName is how long a text is at least that may be random.
	longName = 20
)

// mayBeSecret tells whether a text may have been made to be hard to guess: a long
// one with digits, and with letters of both cases or without any break.
func mayBeSecret(name string) bool {
	if len(name) > maxClaimedName || wrap.Printable(name, len(name)) != name {
		return true
	}
	has := func(is func(rune) bool) bool { return strings.ContainsFunc(name, is) }
	if len(name) >= longName && has(unicode.IsDigit) && has(unicode.IsUpper) && has(unicode.IsLower) {
		return true
	}
	for _, part := range strings.FieldsFunc(name, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		if len(part) >= longName && strings.ContainsFunc(part, unicode.IsDigit) {
			return true
		}
	}
	return false
}
