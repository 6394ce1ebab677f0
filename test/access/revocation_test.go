package access

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

func TestAUserWhoIsTakenFromTheFileIsOut(t *testing.T) {
	p := newPlace(t, rig.Distribution3, true)
	clients := p.clientsOf()
	image := rig.Image("image")
	p.put(clients["ann"], "team/app", "v1", image)
	listing := "/v2/team/app/referrers/" + image.Digest().String()
	p.as(clients["ann"], http.MethodGet, listing, nil).Want(t, http.StatusOK)
	writeUsers(t, p.users, "ann", "another-s3cret", "bob", bobPassword)
	rig.Eventually(t, "the old password is refused", func() bool {
		return p.as(clients["ann"], http.MethodGet, listing, nil).Status == http.StatusUnauthorized
	})
	p.as(clients["root"], http.MethodGet, listing, nil).Want(t, http.StatusUnauthorized)
	p.as(basic("ann", "another-s3cret"), http.MethodGet, listing, nil).Want(t, http.StatusOK)
}

// In auth.mode passthrough what a client may see ends with the registry's
// leave, after permissions.cacheTTL at the latest.
func TestWhatTheRegistryRevokesIsRevoked(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		auth, users := withPassword(t, "ann", annPassword)
		registry := rig.NewRegistry(t, version, auth)
		backref := rig.NewBackref(t, registry.URL, "--set", "permissions.cacheTTL=2s")
		t.Cleanup(func() { wantNoSecrets(t, backref.Log()) })
		p := &place{t: t, registry: registry, backref: backref}
		ann := basic("ann", annPassword)
		image := rig.Image("image")
		p.put(ann, "app", "v1", image)
		artifact := rig.Artifact("application/vnd.example.signature", "s", image.Descriptor())
		p.put(ann, "app", artifact.Digest().String(), artifact)
		listing := "/v2/app/referrers/" + image.Digest().String()
		p.as(ann, http.MethodGet, listing, nil).Want(t, http.StatusOK)
		p.as(basic("ann", "wrong"), http.MethodGet, listing, nil).Want(t, http.StatusUnauthorized)
		p.as("", http.MethodGet, listing, nil).Want(t, http.StatusUnauthorized)

		writeUsers(t, users, "ann", "another-s3cret")
		// The registry sees a change by the file's time, which some systems
		// keep in seconds.
		later := time.Now().Add(2 * time.Second)
		if err := os.Chtimes(users, later, later); err != nil {
			t.Fatal(err)
		}
		rig.Eventually(t, "the registry refuses the old password", func() bool {
			return rig.Do(t, http.MethodGet, registry.URL+"/v2/", nil, "Authorization", ann).Status == http.StatusUnauthorized
		})
		revoked := time.Now()
		rig.Eventually(t, "the listing is refused", func() bool {
			return p.as(ann, http.MethodGet, listing, nil).Status == http.StatusUnauthorized
		})
		t.Logf("the listing was refused %s after the registry did", time.Since(revoked).Round(10*time.Millisecond))
		p.as(basic("ann", "another-s3cret"), http.MethodGet, listing, nil).Want(t, http.StatusOK)
	})
}

func TestTokens(t *testing.T) {
	p := newPlace(t, rig.Distribution3, true)
	clients := p.clientsOf()
	image := rig.Image("image")
	p.put(clients["root"], "team/app", "v1", image)
	dev := map[string]any{"groups": []string{"dev"}}
	ask := func(token string) int {
		bearer := p.as("Bearer "+token, http.MethodGet, "/v2/team/app/tags/list", nil).Status
		if asPassword := p.as(basic("any", token), http.MethodGet, "/v2/team/app/tags/list", nil).Status; asPassword != bearer {
			t.Errorf("as Bearer %d, as password %d", bearer, asPassword)
		}
		return bearer
	}
	// The issuer is first asked when its first token comes.
	p.issuer.Down(true)
	if got := ask(p.issuer.Token("rsa", "eve", dev)); got != http.StatusServiceUnavailable {
		t.Errorf("while the issuer is down: %d", got)
	}
	p.as(clients["ann"], http.MethodGet, "/v2/team/app/tags/list", nil).Want(t, http.StatusOK)
	p.issuer.Down(false)
	rig.Eventually(t, "the issuer is asked again", func() bool { return ask(p.issuer.Token("rsa", "eve", dev)) == http.StatusOK })
	past := time.Now().Add(-time.Minute).Unix()
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"RSA":              {p.issuer.Token("rsa", "eve", dev), http.StatusOK},
		"elliptic curve":   {p.issuer.Token("ec", "eve", dev), http.StatusOK},
		"other group":      {p.issuer.Token("ec", "eve", map[string]any{"groups": []string{"ops"}}), http.StatusNotFound},
		"named as a user":  {p.issuer.Token("ec", "ann", nil), http.StatusNotFound},
		"expired":          {p.issuer.Token("ec", "eve", map[string]any{"groups": []string{"dev"}, "exp": past}), http.StatusUnauthorized},
		"another audience": {p.issuer.Token("ec", "eve", map[string]any{"groups": []string{"dev"}, "aud": "other"}), http.StatusUnauthorized},
		"another issuer":   {rig.NewIssuer(t).Token("ec", "eve", dev), http.StatusUnauthorized},
	} {
		if got := ask(c.token); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
