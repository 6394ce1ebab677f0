package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/backref/backref/policy"
)

// CodeOptions say how people sign in on the page of an issuer. All but Secret and Scopes
// are required.
type CodeOptions struct {
	// Issuer is who says who they are; its Audience does not count, the ClientID does.
	Issuer Issuer
	// ClientID is how the issuer knows this program, and Secret what proves it; empty
	// for a client without one.
	ClientID, Secret string
	// Scopes are what is asked for beside openid.
	Scopes []string
}

// Code signs people in on the page of an issuer: OpenID Connect Core 1.0, section 3.1,
// the authorization code flow, with PKCE (RFC 7636), state and nonce. It may be used
// concurrently.
type Code struct {
	options CodeOptions
	// claims reads who a token is of, as it does of tokens that clients send.
	claims *issuer
	known  *discovered
}

// discovered is what an issuer says of itself, which is asked once.
type discovered struct {
	url      string
	client   *http.Client
	provider atomic.Pointer[oidc.Provider]
	asking   singleflight.Group
}

// Bounds of how often an issuer is asked, whoever signs in.
const (
	codePause = 100 * time.Millisecond
	codeBurst = 50
)

// NewCode returns what o describes. The issuer is not asked before somebody signs in.
// before may be nil: of one that had the same issuer what that said is taken over.
func NewCode(o CodeOptions, before *Code) *Code {
	c := &Code{options: o, claims: &issuer{config: o.Issuer}}
	if before != nil && before.Name() == c.Name() {
		c.known = before.known
		return c
	}
	c.known = &discovered{url: c.Name(), client: &http.Client{
		Timeout:       issuerTimeout,
		Transport:     &resting{limiter: rate.NewLimiter(rate.Every(codePause), codeBurst)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return c
}

// Name returns the issuer, as its tokens name it.
func (c *Code) Name() string { return c.options.Issuer.URL.String() }

// Host returns the host of the issuer, as people know it.
func (c *Code) Host() string { return c.options.Issuer.URL.Host }

// Pending is what has to be kept of somebody who was sent to the issuer, where nobody
// else reads it.
type Pending struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
}

// Begin returns the address of the issuer to send somebody to, who comes back to
// redirect. Errors: [ErrUnavailable], and that of ctx.
func (c *Code) Begin(ctx context.Context, redirect string) (address string, pending Pending, err error) {
	provider, err := c.known.ask(ctx)
	if err != nil {
		return "", Pending{}, unavailable(ctx, err)
	}
	pending = Pending{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	address = c.config(provider, redirect).AuthCodeURL(pending.State, oidc.Nonce(pending.Nonce), oauth2.S256ChallengeOption(pending.Verifier))
	return address, pending, nil
}

// Finish returns who came back to redirect with a query. Errors: [ErrRefused] where the
// issuer has not signed anybody in, or not for this; [ErrUnavailable]; and that of ctx.
func (c *Code) Finish(ctx context.Context, redirect string, pending Pending, query url.Values) (policy.Client, error) {
	code := query.Get("code")
	if pending.State == "" || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(pending.State)) != 1 ||
		query.Has("error") || code == "" || query.Has("iss") && query.Get("iss") != c.Name() {
		return policy.Client{}, ErrRefused
	}
	provider, err := c.known.ask(ctx)
	if err != nil {
		return policy.Client{}, unavailable(ctx, err)
	}
	ctx = oidc.ClientContext(ctx, c.known.client)
	tokens, err := c.config(provider, redirect).Exchange(ctx, code, oauth2.VerifierOption(pending.Verifier))
	if err != nil {
		return policy.Client{}, exchangeError(ctx, err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: c.options.ClientID, SupportedSigningAlgs: algorithms()}).Verify(ctx, raw)
	if err != nil || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(pending.Nonce)) != 1 {
		// What it says may quote the token.
		return policy.Client{}, ErrRefused
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return policy.Client{}, ErrRefused
	}
	return c.claims.clientOf(claims)
}

func (c *Code) config(provider *oidc.Provider, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.options.ClientID, ClientSecret: c.options.Secret, Endpoint: provider.Endpoint(), RedirectURL: redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, c.options.Scopes...),
	}
}

// exchangeError tells a code that was refused from an issuer that could not be asked, or
// does not take the client's secret. What it says may quote what was sent.
func exchangeError(ctx context.Context, err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return unavailable(ctx, err)
	}
	if refused.ErrorCode == "invalid_grant" {
		return ErrRefused
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	return errors.Join(ErrUnavailable, fmt.Errorf("the issuer answers %d (%.40q) to the code: is the client's secret right?", status, refused.ErrorCode))
}

func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(ErrUnavailable, err)
}

// ask returns what the issuer says of itself.
func (d *discovered) ask(ctx context.Context) (*oidc.Provider, error) {
	if provider := d.provider.Load(); provider != nil {
		return provider, nil
	}
	asked := d.asking.DoChan("", func() (any, error) {
		// It is asked for all who wait, and keeps the client for its keys.
		provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), d.client), d.url)
		if err != nil {
			return nil, fmt.Errorf("ask issuer %s for its configuration: %w", d.url, err)
		}
		d.provider.Store(provider)
		return provider, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-asked:
		provider, _ := result.Val.(*oidc.Provider)
		return provider, result.Err
	}
}
