package see

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/backref/backref/test/browser"
	"github.com/backref/backref/test/rig"
)

// Without a token the page is for who sits at the machine, and for no other site's page.
func TestOperatorsPageWithoutAToken(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	backref := rig.NewBackref(t, registry.URL)
	here := newLooker(t, backref.AdminURL+"/ui")
	here.send("/repositories", nil).want(t, http.StatusOK)
	here.send("/repositories", nil, "Origin", backref.AdminURL).want(t, http.StatusOK)
	for _, origin := range []string{"https://evil.example", "null", "http://127.0.0.1:1"} {
		here.send("/repositories", nil, "Origin", origin).want(t, http.StatusForbidden)
	}
	// A name that somebody points at this machine (DNS rebinding) is none of it.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, backref.AdminURL+"/ui/repositories", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("by another name: %d", resp.StatusCode)
	}
	off := rig.NewBackref(t, registry.URL, "--set", "ui.admin=false")
	newLooker(t, off.AdminURL+"/ui").send("/repositories", nil).want(t, http.StatusNotFound)
}

// With a token the page asks for it. The session opens the page and nothing else, and
// ends with the token.
func TestOperatorsPageWithAToken(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	file := secretFile(t, operatorToken)
	backref := rig.NewBackref(t, registry.URL, "--set", "admin.tokenFile="+file, "--set", "reload.interval=100ms")
	t.Cleanup(func() { wantNoSecrets(t, backref) })
	operator := newLooker(t, backref.AdminURL+"/ui")
	operator.send("/repositories", nil).want(t, http.StatusUnauthorized)
	operator.send("/operations", nil).want(t, http.StatusUnauthorized)
	operator.signIn("", "wrong", "/operations").want(t, http.StatusUnauthorized)
	page := operator.signIn("", operatorToken, "/operations").want(t, http.StatusOK)
	if !strings.Contains(page.body, "Sign out") {
		t.Error(page.body)
	}
	api := *operator
	api.base = backref.AdminURL
	api.send("/admin/intents", nil).want(t, http.StatusUnauthorized)
	bearer := newLooker(t, backref.AdminURL+"/ui")
	bearer.header.Set("Authorization", "Bearer "+operatorToken)
	bearer.send("/repositories", nil).want(t, http.StatusOK)
	// Another site's form is refused whatever cookies come with it.
	operator.send("/sign-out", url.Values{"token": {formToken(page.body)}}, "Origin", "https://evil.example").want(t, http.StatusForbidden)
	operator.send("/repositories", nil).want(t, http.StatusOK)
	if err := os.WriteFile(file, []byte("another-s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "the session to end with the token", func() bool { return operator.send("/repositories", nil).status == http.StatusUnauthorized })
}

// In a browser: sign in, look, sign out, and nothing is left to go back to.
func TestSignInWithABrowser(t *testing.T) {
	users := rig.NewHtpasswd(t, "ada", adaPassword)
	registry := rig.NewRegistry(t, rig.Distribution3)
	push(t, registry.URL, "team-a/app", "a-tag-to-see", rig.Image("app"))
	issuer := rig.NewIssuer(t)
	backref := viewed(t, registry.URL, "--config", service(t, users, issuer))
	b := browser.New(t)
	page := b.Page(t, browser.Options{Width: 360})
	page.Open(backref.URL + publicPages + "/r/team-a/app")
	page.MustBeAccessible()
	page.MustFit()
	page.Screenshot("sign-in")
	page.Fill("User name", "ada")
	page.Fill("Password or token", "wrong")
	page.Press("Enter")
	page.Wait("css=[role=alert]")
	page.Fill("Password or token", adaPassword)
	page.Click("css=.sign-in button")
	if text := page.Text(); !strings.Contains(text, "a-tag-to-see") || !strings.Contains(text, "ada") {
		t.Fatalf("%s: %s", page.URL(), text)
	}
	page.MustFit()
	page.Screenshot("signed-in")
	page.Click("Sign out")
	page.Open(backref.URL + publicPages + "/r/team-a/app")
	if text := page.Text(); strings.Contains(text, "a-tag-to-see") {
		t.Errorf("it is still there: %s", text)
	}
	page.MustBeQuiet()

	issuer.SignsIn("eve", map[string]any{"groups": []string{"team-a"}})
	other := b.Page(t, browser.Options{Scripts: true, Dark: true})
	other.Open(backref.URL + publicPages + "/r/team-a/app")
	other.Click("css=a.button")
	other.Wait("Sign out")
	if text := other.Text(); !strings.Contains(text, "a-tag-to-see") || !strings.Contains(text, "oidc:eve") {
		t.Errorf("%s: %s", other.URL(), text)
	}
}
