package ui

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// counter is the accounts of a test: ann has the password "s3cret".
type counter struct{ asked int }

func (c *counter) Form() Form { return Form{Hint: "x"} }

func (c *counter) Check(_ *http.Request, name, password string) (Account, error) {
	c.asked++
	switch {
	case password == "down":
		return Account{}, errors.New("nobody answers")
	case password == "large":
		return Account{Name: name, Groups: []string{strings.Repeat("g", maxCookie)}}, nil
	case name != "ann" || password != "s3cret":
		return Account{}, ErrWrong
	}
	return Account{Name: name, Username: name, Password: password}, nil
}

func (c *counter) Viewer(_ *http.Request, account *Account) (Viewer, error) {
	if account == nil {
		return Viewer{}, ErrSignIn
	}
	return Viewer{Name: account.Name}, nil
}

// desk is a page to sign in on, with a clock of its own and a browser's cookies.
type desk struct {
	t        *testing.T
	ui       *UI
	accounts *counter
	now      time.Time
	ttl      time.Duration
	origin   string
	prefix   string
	client   netip.Addr
	logs     *observer.ObservedLogs
	cookies  map[string]*http.Cookie
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{
		t: t, accounts: &counter{}, now: time.Unix(1_800_000_000, 0), ttl: time.Hour, origin: "https://registry.example",
		client: netip.MustParseAddr("192.0.2.1"), cookies: map[string]*http.Cookie{},
	}
	core, logs := observer.New(zapcore.DebugLevel)
	d.logs = logs
	d.ui = d.replica(core)
	return d
}

// replica returns another that serves the same pages.
func (d *desk) replica(core zapcore.Core) *UI {
	d.t.Helper()
	door := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"repositories":[]}`))
	})
	made, err := New(Options{
		Base: "/ui", Door: door, Elsewhere: http.DefaultTransport, Log: zap.New(core),
		Place: func(*http.Request) Place {
			return Place{Host: "registry.example", Origin: d.origin, Prefix: d.prefix, Client: d.client}
		},
		SignIn: &SignIn{
			Accounts: d.accounts, Cookies: "test", TTL: func() time.Duration { return d.ttl }, Now: func() time.Time { return d.now },
			Keys: func(context.Context, time.Time) ([][]byte, error) { return [][]byte{keyOf("shared")}, nil },
		},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return made
}

// send sends a request with the cookies, and keeps those that come.
func (d *desk) send(method, path string, form url.Values, headers ...string) *http.Response {
	d.t.Helper()
	req := httptest.NewRequest(method, "http://registry.example"+path, strings.NewReader(form.Encode()))
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	for _, cookie := range d.cookies {
		req.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	w := httptest.NewRecorder()
	d.ui.ServeHTTP(w, req)
	resp := w.Result()
	for _, cookie := range resp.Cookies() {
		if d.cookies[cookie.Name] = cookie; cookie.MaxAge < 0 {
			delete(d.cookies, cookie.Name)
		}
	}
	return resp
}

// form returns the form's token.
func (d *desk) form() string {
	d.t.Helper()
	return hidden(d.t, d.send("GET", "/ui/sign-in", nil))
}

func hidden(t *testing.T, resp *http.Response) string {
	t.Helper()
	body := make([]byte, 64<<10)
	n, _ := resp.Body.Read(body)
	// Before the form to sign in there may be one to sign out.
	parts := strings.Split(string(body[:n]), `name="token" value="`)
	token, _, found := strings.Cut(parts[len(parts)-1], `"`)
	if !found {
		t.Fatalf("there is no token: %s", body[:n])
	}
	return token
}

func (d *desk) signIn(password, to string) *http.Response {
	d.t.Helper()
	return d.send("POST", "/ui/sign-in", url.Values{"token": {d.form()}, "name": {"ann"}, "password": {password}, "to": {to}})
}

// want fails the test where an answer has another status.
func (d *desk) want(resp *http.Response, status int) *http.Response {
	d.t.Helper()
	if resp.StatusCode != status {
		d.t.Errorf("status %d, want %d", resp.StatusCode, status)
	}
	return resp
}

const sessionCookie = "__Secure-test_session"

// Who signs in is led back to where they were, and their browser is told to keep the
// session to itself.
func TestSignIn(t *testing.T) {
	d := newDesk(t)
	d.prefix = "/registry"
	d.want(d.send("GET", "/ui/repositories", nil), http.StatusUnauthorized)
	resp := d.want(d.signIn("s3cret", "/r/team/app?x=1"), http.StatusSeeOther)
	if to := resp.Header.Get("Location"); to != "/registry/ui/r/team/app?x=1" {
		t.Errorf("it leads to %s", to)
	}
	_, attributes, _ := strings.Cut(d.cookies[sessionCookie].Raw, "; ")
	if want := "Path=/registry/ui; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"; attributes != want {
		t.Errorf("the cookie has %q, want %q", attributes, want)
	}
	d.want(d.send("GET", "/ui/repositories", nil), http.StatusOK)
	// Nothing of it is in the log but who it was.
	for _, entry := range d.logs.All() {
		if text := entry.Message + " " + strings.Join(values(entry.Context), " "); strings.Contains(text, "s3cret") {
			t.Error(text)
		}
	}
	if found := d.logs.FilterMessage("sign-in to the pages").FilterField(zap.String("user", "ann")).Len(); found != 1 {
		t.Errorf("%d lines of the sign-in", found)
	}
}

func values(fields []zap.Field) []string {
	var texts []string
	for _, field := range fields {
		texts = append(texts, field.Key, field.String)
	}
	return texts
}

// Without TLS a browser takes no cookie that says it is secure.
func TestSignInWithoutTLS(t *testing.T) {
	d := newDesk(t)
	d.origin = "http://registry.example"
	d.want(d.signIn("s3cret", ""), http.StatusSeeOther)
	_, attributes, _ := strings.Cut(d.cookies["test_session"].Raw, "; ")
	if want := "Path=/ui; Max-Age=3600; HttpOnly; SameSite=Lax"; attributes != want {
		t.Errorf("the cookie has %q, want %q", attributes, want)
	}
}

// What is not right is told, and too much is told too.
func TestSignInFails(t *testing.T) {
	d := newDesk(t)
	d.want(d.signIn("wrong", ""), http.StatusUnauthorized)
	d.want(d.signIn("down", ""), http.StatusBadGateway)
	d.want(d.signIn("large", ""), http.StatusRequestEntityTooLarge)
	d.want(d.signIn(strings.Repeat("x", maxForm), ""), http.StatusBadRequest)
	if d.cookies[sessionCookie] != nil {
		t.Error("there is a session")
	}
	for _, entry := range d.logs.All() {
		if text := strings.Join(values(entry.Context), " "); strings.Contains(text, "wrong") || strings.Contains(text, "ann") {
			t.Errorf("the log has what nobody vouched for: %s", text)
		}
	}
}

// A form counts only where the same browser was sent it, and from no other site.
func TestSignInFormsOfOthers(t *testing.T) {
	d := newDesk(t)
	right := url.Values{"name": {"ann"}, "password": {"s3cret"}}
	d.want(d.send("POST", "/ui/sign-in", right), http.StatusForbidden)
	token := d.form()
	right.Set("token", token+"x")
	d.want(d.send("POST", "/ui/sign-in", right), http.StatusForbidden)
	right.Set("token", token)
	for _, headers := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "http://registry.example:81"},
	} {
		d.want(d.send("POST", "/ui/sign-in", right, headers...), http.StatusForbidden)
	}
	if d.accounts.asked != 0 {
		t.Errorf("%d passwords were tried", d.accounts.asked)
	}
	// A proxy before may have changed the Host: the origin is the page's all the same.
	d.want(d.send("POST", "/ui/sign-in", right, "Origin", "https://registry.example"), http.StatusSeeOther)
	for _, token := range []string{"", "x"} {
		d.want(d.send("POST", "/ui/sign-out", url.Values{"token": {token}}), http.StatusBadRequest)
	}
	d.want(d.send("GET", "/ui/repositories", nil), http.StatusOK)
	d.want(d.send("POST", "/ui/sign-out", url.Values{"token": {hidden(t, d.send("GET", "/ui/repositories", nil))}}), http.StatusSeeOther)
	d.want(d.send("GET", "/ui/repositories", nil), http.StatusUnauthorized)
}

// Guesses are slowed down by the address that they come from.
func TestGuesses(t *testing.T) {
	d := newDesk(t)
	for range guessBurst {
		d.want(d.signIn("wrong", ""), http.StatusUnauthorized)
	}
	resp := d.want(d.signIn("s3cret", ""), http.StatusTooManyRequests)
	if resp.Header.Get("Retry-After") != "5" || d.accounts.asked != guessBurst {
		t.Errorf("Retry-After %q, %d were tried", resp.Header.Get("Retry-After"), d.accounts.asked)
	}
	before := d.client
	d.client = netip.MustParseAddr("192.0.2.2")
	d.want(d.signIn("s3cret", ""), http.StatusSeeOther)
	d.client, d.now = before, d.now.Add(guessPause)
	d.want(d.signIn("s3cret", ""), http.StatusSeeOther)
	d.want(d.signIn("s3cret", ""), http.StatusTooManyRequests)
}

// purposeOf is what the desk's pages seal a part for.
func purposeOf(part string) string { return "test " + part }

// A session counts for its time, at every replica, and only as the server gave it.
func TestSessions(t *testing.T) {
	d := newDesk(t)
	d.want(d.signIn("s3cret", ""), http.StatusSeeOther)
	given := *d.cookies[sessionCookie]
	look := func(value string) int {
		d.cookies = map[string]*http.Cookie{sessionCookie: {Name: sessionCookie, Value: value}}
		return d.send("GET", "/ui/repositories", nil).StatusCode
	}
	for name, value := range map[string]string{
		"truncated": given.Value[:len(given.Value)-1], "longer": given.Value + "A", "empty": "", "made up": "AQIDBA",
		"forged": sealed(t, sealerOf("other"), purposeOf(cookieSession), "x"), "of another purpose": sealed(t, sealerOf("shared"), purposeOf(cookieForm), "x"),
		"something else": sealed(t, sealerOf("shared"), purposeOf(cookieSession), "x"), "of another page": sealed(t, sealerOf("shared"), "elsewhere "+cookieSession, "x"),
	} {
		if status := look(value); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	d.ui = d.replica(zapcore.NewNopCore())
	if status := look(given.Value); status != http.StatusOK {
		t.Errorf("at another replica: %d", status)
	}
	began := d.now
	d.now = began.Add(d.ttl - time.Second)
	if status := look(given.Value); status != http.StatusOK {
		t.Errorf("just before its end: %d", status)
	}
	d.now = began.Add(d.ttl)
	if status := look(given.Value); status != http.StatusUnauthorized {
		t.Errorf("when its time is over: %d", status)
	}
	d.now, d.ttl = began.Add(2*time.Minute), time.Minute
	if status := look(given.Value); status != http.StatusUnauthorized {
		t.Errorf("with a shorter time: %d", status)
	}
	d.now, d.ttl = began.Add(-2*time.Minute), time.Hour
	if status := look(given.Value); status != http.StatusUnauthorized {
		t.Errorf("before it began: %d", status)
	}
	// One by https is none by http, nor the other way round.
	d.now, d.origin = began, "http://registry.example"
	if status := look(given.Value); status != http.StatusUnauthorized {
		t.Errorf("without TLS: %d", status)
	}
}
