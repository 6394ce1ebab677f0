package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Htpasswd is a file of users and bcrypt hashes. Registries read it again when
// it changes.
type Htpasswd struct {
	Path string
	t    testing.TB
}

// NewHtpasswd writes a file with users, given as name, password, ….
func NewHtpasswd(t testing.TB, users ...string) *Htpasswd {
	t.Helper()
	h := &Htpasswd{filepath.Join(t.TempDir(), "htpasswd"), t}
	h.Set(users...)
	return h
}

// Set replaces all users.
func (h *Htpasswd) Set(users ...string) {
	h.t.Helper()
	var content strings.Builder
	for i := 0; i+1 < len(users); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(users[i+1]), bcrypt.MinCost)
		if err != nil {
			h.t.Fatal(err)
		}
		_, _ = fmt.Fprintf(&content, "%s:%s\n", users[i], hash)
	}
	// Renamed into place, so that nobody reads half of it.
	if err := os.WriteFile(h.Path+".new", []byte(content.String()), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(h.Path+".new", h.Path); err != nil {
		h.t.Fatal(err)
	}
}

// RegistryConfig is what [NewRegistry] needs to let these users in.
func (h *Htpasswd) RegistryConfig() string {
	return fmt.Sprintf("auth: {htpasswd: {realm: registry, path: %s}}\n", h.Path)
}
