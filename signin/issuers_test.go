package signin_test

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/signin"
	"github.com/backref/backref/test/rig"
)

func doorOf(t *testing.T, issuer *rig.Issuer, change ...func(*signin.Issuer)) *signin.Door {
	t.Helper()
	base, err := url.Parse(issuer.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := signin.Issuer{URL: base, Audience: "backref", GroupsClaim: "groups"}
	for _, c := range change {
		c(&cfg)
	}
	door, err := signin.New(signin.Options{Issuers: []signin.Issuer{cfg}})
	if err != nil {
		t.Fatal(err)
	}
	return door
}

func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

func TestTokens(t *testing.T) {
	issuer, other := rig.NewIssuer(t), rig.NewIssuer(t)
	door := doorOf(t, issuer)
	now := time.Now()
	good := issuer.Token("rsa", "ann", nil)
	parts := strings.Split(good, ".")
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	for name, c := range map[string]struct {
		token string
		want  string
	}{
		"RSA":                 {good, "ann"},
		"elliptic curve":      {issuer.Token("ec", "ann", nil), "ann"},
		"several audiences":   {issuer.Token("ec", "ann", map[string]any{"aud": []string{"x", "backref"}}), "ann"},
		"another audience":    {issuer.Token("rsa", "ann", map[string]any{"aud": "other"}), ""},
		"no audience":         {issuer.Token("rsa", "ann", map[string]any{"aud": nil}), ""},
		"expired":             {issuer.Token("rsa", "ann", map[string]any{"exp": now.Add(-time.Minute).Unix()}), ""},
		"never expires":       {issuer.Token("rsa", "ann", map[string]any{"exp": nil}), ""},
		"not yet":             {issuer.Token("rsa", "ann", map[string]any{"nbf": now.Add(time.Hour).Unix()}), ""},
		"no name":             {issuer.Token("rsa", "", nil), ""},
		"name is a number":    {issuer.Token("rsa", "ann", map[string]any{"sub": 7}), ""},
		"another issuer":      {other.Token("rsa", "ann", nil), ""},
		"of another's key":    {other.Token("rsa", "ann", map[string]any{"iss": issuer.URL}), ""},
		"key of another kind": {issuer.Sign("ec", map[string]any{"alg": "RS256"}, map[string]any{"iss": issuer.URL, "sub": "ann", "aud": "backref", "exp": now.Add(time.Hour).Unix()}), ""},
		"not signed":          {unsigned, ""},
		"changed":             {parts[0] + "." + strings.Split(issuer.Token("rsa", "eve", nil), ".")[1] + "." + parts[2], ""},
		"signed with HMAC":    {withHMAC(t, issuer, parts[1]), ""},
		"not a token":         {"x", ""},
		"nothing":             {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for how, header := range map[string]http.Header{"bearer": bearer(c.token), "password": basic("any", c.token)} {
				client, err := door.Who(t.Context(), header)
				if client.User != c.want || (err == nil) != (c.want != "") || err != nil && !errors.Is(err, signin.ErrRefused) && !errors.Is(err, signin.ErrUnavailable) {
					t.Errorf("as %s: got %q, %v", how, client.User, err)
				}
				if err != nil && c.token != "" && len(c.token) > 5 && strings.Contains(err.Error(), c.token) {
					t.Errorf("the error shows the token: %v", err)
				}
			}
		})
	}
}

// withHMAC signs claims with the public key as if it were a shared secret,
// which fools those who let the token choose the algorithm.
func withHMAC(t *testing.T, issuer *rig.Issuer, claims string) string {
	t.Helper()
	public, ok := issuer.Key("rsa").Public().(*rsa.PublicKey)
	if !ok {
		t.Fatal("not a key of RSA")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + claims
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestClaims(t *testing.T) {
	issuer := rig.NewIssuer(t)
	door := doorOf(t, issuer, func(c *signin.Issuer) { c.UsernameClaim, c.Prefix = "email", "oidc:" })
	for _, c := range []struct {
		claims map[string]any
		want   string
	}{
		{map[string]any{"email": "ann@example.com", "groups": []any{"dev", 7, "ops"}}, "{oidc:ann@example.com [oidc:dev oidc:ops]}"},
		{map[string]any{"email": "ann@example.com", "groups": "dev", "email_verified": true}, "{oidc:ann@example.com [oidc:dev]}"},
		{map[string]any{"email": "ann@example.com", "email_verified": "true"}, "{oidc:ann@example.com []}"},
		{map[string]any{"email": "ann@example.com", "email_verified": false}, "{ []}"},
		{map[string]any{"email": "ann@example.com", "email_verified": "false"}, "{ []}"},
		{nil, "{ []}"},
	} {
		client, _ := door.Who(t.Context(), bearer(issuer.Token("ec", "sub", c.claims)))
		if got := fmt.Sprint(client); got != c.want {
			t.Errorf("%v: got %s, want %s", c.claims, got, c.want)
		}
	}
}

func TestKeysAreFetchedWhenNeeded(t *testing.T) {
	issuer := rig.NewIssuer(t)
	door := doorOf(t, issuer)
	signIn := func() error {
		_, err := door.Who(t.Context(), bearer(issuer.Token("rsa", "ann", nil)))
		return err
	}
	issuer.Down(true)
	if err := signIn(); !errors.Is(err, signin.ErrUnavailable) {
		t.Errorf("while the issuer is down: %v", err)
	}
	issuer.Down(false)
	for range 5 {
		if err := signIn(); err != nil {
			t.Fatal(err)
		}
	}
	if asked := issuer.Asked.Load(); asked != 1 {
		t.Errorf("keys were fetched %d times", asked)
	}
	issuer.Rotate()
	if err := signIn(); err != nil {
		t.Errorf("with new keys: %v", err)
	}
	// Strangers can't have the issuer asked without end, nor keep others out.
	good := issuer.Token("ec", "ann", nil)
	for range 50 {
		header := map[string]any{"alg": "RS256", "kid": fmt.Sprint(time.Now().UnixNano())}
		_, _ = door.Who(t.Context(), bearer(issuer.Sign("rsa", header, map[string]any{"iss": issuer.URL})))
	}
	if asked := issuer.Asked.Load(); asked > 12 {
		t.Errorf("strangers had the keys fetched %d times", asked)
	}
	if _, err := door.Who(t.Context(), bearer(good)); err != nil {
		t.Errorf("after strangers: %v", err)
	}
}

// Nobody waits for an issuer that hangs longer than for its own request.
func TestHangingIssuer(t *testing.T) {
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	defer server.Close()
	defer close(end)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	door, err := signin.New(signin.Options{Issuers: []signin.Issuer{{URL: base, Audience: "backref"}}})
	if err != nil {
		t.Fatal(err)
	}
	token := "x." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+server.URL+`"}`)) + ".y"
	var asking sync.WaitGroup
	for range 5 {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := door.Who(ctx, bearer(token)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	asking.Wait()
}
