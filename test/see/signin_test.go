package see

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// A registry that asks for a password itself: it says who may look, each time.
func TestSignInToARegistryWithPasswords(t *testing.T) {
	users := rig.NewHtpasswd(t, "ada", adaPassword)
	registry := rig.NewRegistry(t, rig.Distribution2, users.RegistryConfig())
	backref := viewed(t, registry.URL)
	ada := newLooker(t, backref.URL+publicPages)
	push(t, registry.URL, "team-a/app", "latest", rig.Image("app"), "Authorization", basicOf("ada", adaPassword))

	page := ada.send("/r/team-a/app", nil).want(t, http.StatusUnauthorized)
	if !strings.Contains(page.body, `name="to" value="/r/team-a/app"`) {
		t.Errorf("the form doesn't lead back: %s", page.body)
	}
	ada.signIn("ada", "wrong", "/r/team-a/app").want(t, http.StatusUnauthorized)
	page = ada.signIn("ada", adaPassword, "/r/team-a/app").want(t, http.StatusOK)
	if !strings.HasSuffix(page.url, publicPages+"/r/team-a/app") || !strings.Contains(page.body, "latest") || strings.Contains(page.body, "(not checked)") {
		t.Errorf("%s: %s", page.url, page.body)
	}
	// A password that changes counts with the next page.
	users.Set("ada", "another-s3cret")
	rig.Eventually(t, "the old password to end", func() bool { return ada.send("/r/team-a/app", nil).status == http.StatusUnauthorized })
	ada.signIn("ada", "another-s3cret", "/r/team-a/app").want(t, http.StatusOK)
	signedOut := ada.send("/sign-out", url.Values{"token": {formToken(ada.send("/repositories", nil).body)}}).want(t, http.StatusOK)
	if strings.Contains(signedOut.body, "Sign out") {
		t.Error(signedOut.body)
	}
	ada.send("/r/team-a/app", nil).want(t, http.StatusUnauthorized)
	wantLogged(t, backref, `"result":"accepted"`, `"user":"ada"`)
	wantLogged(t, backref, `"result":"refused"`)
}

// wantLogged fails the test where no line about a sign-in has all of the texts.
func wantLogged(t *testing.T, backref *rig.Backref, texts ...string) {
	t.Helper()
	rig.Eventually(t, "a line of the log with "+strings.Join(texts, ", "), func() bool {
		return slices.ContainsFunc(backref.Log(), func(line string) bool {
			return strings.Contains(line, "sign-in to the pages") && strings.Contains(line, `"request":"`) &&
				!slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
		})
	})
}

func basicOf(name, password string) string {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(name, password)
	return req.Header.Get("Authorization")
}

// A registry that lets anybody in at its door has said nothing of a password, and the
// page doesn't pretend that it has.
func TestSignInWhereNobodyIsAsked(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	backref := viewed(t, registry.URL)
	push(t, registry.URL, "team-a/app", "latest", rig.Image("app"))
	anybody := newLooker(t, backref.URL+publicPages)
	anybody.send("/r/team-a/app", nil).want(t, http.StatusOK)
	page := anybody.signIn("made-up", "made-up-s3cret", "/repositories").want(t, http.StatusOK)
	if !strings.Contains(page.body, "made-up (not checked)") {
		t.Error(page.body)
	}
}

// A registry with a token service, which is asked once for several pages.
func TestSignInByATokenService(t *testing.T) {
	for _, realm := range []string{"keep", "rewrite"} {
		t.Run(realm, func(t *testing.T) {
			tokens := rig.NewTokenServer(t)
			tokens.SetUser("ada", rig.User{Password: adaPassword, Grants: map[string][]string{"team-a/app": {"pull", "push"}}})
			registry := rig.NewRegistry(t, rig.Distribution3, tokens.RegistryConfig(""))
			backref := viewed(t, registry.URL, "--set", "auth.realm="+realm)
			push(t, registry.URL, "team-a/app", "latest", rig.Image("app"), "Authorization", "Bearer "+tokens.Token("ada", "repository:team-a/app:pull,push"))
			ada := newLooker(t, backref.URL+publicPages)
			ada.send("/r/team-a/app", nil).want(t, http.StatusUnauthorized)
			ada.signIn("ada", "wrong", "/r/team-a/app").want(t, http.StatusUnauthorized)
			ada.signIn("ada", adaPassword, "/r/team-a/app").want(t, http.StatusOK)
			tokens.Seen()
			for range 3 {
				ada.send("/r/team-a/app", nil).want(t, http.StatusOK)
			}
			if seen := tokens.Seen(); len(seen) > 0 {
				t.Errorf("the token service was asked %d times for pages that it was asked for", len(seen))
			}
		})
	}
}

// With auth.mode service backref itself knows who may look, and rules say at what.
func TestSignInToBackref(t *testing.T) {
	users := rig.NewHtpasswd(t, "ada", adaPassword, "ben", benPassword)
	registry := rig.NewRegistry(t, rig.Distribution3)
	push(t, registry.URL, "team-a/app", "latest", rig.Image("app"))
	issuer := rig.NewIssuer(t)
	backref := viewed(t, registry.URL, "--config", service(t, users, issuer))
	ada, ben := newLooker(t, backref.URL+publicPages), newLooker(t, backref.URL+publicPages)
	ada.signIn("ada", "wrong", "/repositories").want(t, http.StatusUnauthorized)
	ada.signIn("ada", adaPassword, "/r/team-a/app").want(t, http.StatusOK)
	ben.signIn("ben", benPassword, "/r/team-a/app").want(t, http.StatusNotFound)
	// A token says who it is of, whatever name is given with it.
	token := newLooker(t, backref.URL+publicPages)
	page := token.signIn("root", issuer.Token("ec", "eve", map[string]any{"groups": []string{"team-a"}}), "/r/team-a/app").want(t, http.StatusOK)
	if !strings.Contains(page.body, "oidc:eve") || strings.Contains(page.body, "root") {
		t.Error(page.body)
	}
	// Who isn't in the file any more is out with the next page.
	users.Set("ben", benPassword)
	rig.Eventually(t, "ada to be out", func() bool { return ada.send("/r/team-a/app", nil).status == http.StatusUnauthorized })
	wantLogged(t, backref, `"result":"accepted"`, `"user":"oidc:eve"`)
}

// An issuer's page signs in too, by a code that counts once, for who began it.
func TestSignInByAnIssuer(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	push(t, registry.URL, "team-a/app", "latest", rig.Image("app"))
	issuer := rig.NewIssuer(t)
	backref := viewed(t, registry.URL, "--config", service(t, rig.NewHtpasswd(t, "ada", adaPassword), issuer))
	begin := "/sign-in/issuer?to=" + url.QueryEscape("/r/team-a/app")
	issuer.SignsIn("eve", map[string]any{"groups": []string{"team-a"}})
	eve := newLooker(t, backref.URL+publicPages)
	page := eve.send(begin, nil).want(t, http.StatusOK)
	if !strings.HasSuffix(page.url, publicPages+"/r/team-a/app") || !strings.Contains(page.body, "oidc:eve") {
		t.Errorf("%s: %s", page.url, page.body)
	}
	issuer.SignsIn("fay", map[string]any{"groups": []string{"team-b"}})
	fay := newLooker(t, backref.URL+publicPages)
	fay.send(begin, nil).want(t, http.StatusNotFound)
	issuer.SignsIn("", nil)
	newLooker(t, backref.URL+publicPages).send(begin, nil).want(t, http.StatusUnauthorized)

	// What an attacker began counts in no other browser, nor twice, nor with another nonce.
	issuer.SignsIn("eve", map[string]any{"groups": []string{"team-a"}})
	attacker := newLooker(t, backref.URL+publicPages)
	var callback string
	attacker.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.Contains(req.URL.Path, "/callback") {
			callback = strings.TrimPrefix(req.URL.RequestURI(), publicPages)
			return http.ErrUseLastResponse
		}
		return nil
	}
	attacker.send(begin, nil)
	victim := newLooker(t, backref.URL+publicPages)
	victim.send(callback, nil).want(t, http.StatusBadRequest)
	attacker.send(strings.Replace(callback, "code=", "code=x", 1), nil).want(t, http.StatusUnauthorized)
	attacker.send(callback, nil).want(t, http.StatusBadRequest)
	issuer.SignsIn("eve", map[string]any{"nonce": "another"})
	newLooker(t, backref.URL+publicPages).send(begin, nil).want(t, http.StatusUnauthorized)
	issuer.SignsIn("eve", map[string]any{"aud": "backref"})
	newLooker(t, backref.URL+publicPages).send(begin, nil).want(t, http.StatusUnauthorized)
}

// Replicas that share a database know each other's sessions, and a restart keeps them.
func TestSessionsAreShared(t *testing.T) {
	users := rig.NewHtpasswd(t, "ada", adaPassword)
	registry := rig.NewRegistry(t, rig.Distribution3)
	push(t, registry.URL, "team-a/app", "latest", rig.Image("app"))
	database := rig.NewPostgres(t, false)
	config := service(t, users, nil)
	one := rig.NewReplica(t, registry.URL, database, "--set", "ui.public=true", "--config", config)
	other := rig.NewReplica(t, registry.URL, database, "--set", "ui.public=true", "--config", config)
	ada := newLooker(t, one.URL+publicPages)
	ada.signIn("ada", adaPassword, "/r/team-a/app").want(t, http.StatusOK)
	ada.base = other.URL + publicPages // Cookies don't tell ports apart.
	ada.send("/r/team-a/app", nil).want(t, http.StatusOK)
	other.Restart()
	ada.send("/r/team-a/app", nil).want(t, http.StatusOK)
}
