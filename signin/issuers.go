package signin

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/backref/backref/policy"
)

const (
	// issuerTimeout bounds a question to an issuer.
	issuerTimeout = 10 * time.Second
	// issuerRest is the least time between two questions to an issuer in the
	// long run, whatever keys the tokens of strangers name.
	issuerRest  = 2 * time.Second
	issuerBurst = 5
	// maxIssuerAnswer is the largest answer of an issuer that is read.
	maxIssuerAnswer = 1 << 20
)

// algorithms are those that a token may be signed with: all are asymmetric,
// so that who can check one can't make one.
func algorithms() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
		oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
	}
}

// issuers checks tokens, each by the keys of the issuer that it names.
type issuers struct {
	byURL map[string]*issuer
}

// newIssuers returns what checks the tokens of a list; before may be nil.
func newIssuers(list []Issuer, before *issuers) *issuers {
	known := &issuers{byURL: map[string]*issuer{}}
	for _, cfg := range list {
		if kept := before.same(cfg); kept != nil {
			known.byURL[cfg.URL.String()] = kept
			continue
		}
		known.byURL[cfg.URL.String()] = &issuer{
			config: cfg,
			client: &http.Client{
				Timeout:       issuerTimeout,
				Transport:     &resting{limiter: rate.NewLimiter(rate.Every(issuerRest), issuerBurst)},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
		}
	}
	return known
}

// same returns the issuer that is set up just so; nil where there is none.
func (i *issuers) same(cfg Issuer) *issuer {
	if i == nil {
		return nil
	}
	known := i.byURL[cfg.URL.String()]
	if known == nil {
		return nil
	}
	// The two URLs are equal, and not the same value.
	cfg.URL = known.config.URL
	if known.config != cfg {
		return nil
	}
	return known
}

// know tells whether text is a token that names a known issuer. A password is
// hardly one by chance, and one that is gets nobody in.
func (i *issuers) know(text string) bool {
	return i.of(text) != nil
}

// of returns the issuer that a token names; nil where it is not known.
// Nothing has been verified yet.
func (i *issuers) of(token string) *issuer {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil
	}
	return i.byURL[claims.Issuer]
}

func (i *issuers) check(ctx context.Context, token string) (policy.Client, error) {
	issuer := i.of(token)
	if issuer == nil {
		return policy.Client{}, ErrRefused
	}
	return issuer.check(ctx, token)
}

// issuer is one that tokens are believed of.
type issuer struct {
	config Issuer
	client *http.Client

	// keys are those that it publishes, once it was asked where.
	keys atomic.Pointer[oidc.RemoteKeySet]
	// asking has all who wait for that share one question.
	asking singleflight.Group
}

// check verifies signature, issuer, audience and times of a token.
func (i *issuer) check(ctx context.Context, token string) (policy.Client, error) {
	keys, err := i.published(ctx)
	if err != nil {
		return policy.Client{}, errors.Join(ErrUnavailable, err)
	}
	noting := &notingKeys{KeySet: keys}
	verifier := oidc.NewVerifier(i.config.URL.String(), noting, &oidc.Config{
		ClientID: i.config.Audience, SupportedSigningAlgs: algorithms(),
	})
	verified, err := verifier.Verify(ctx, token)
	switch {
	case err != nil && noting.failed != nil:
		return policy.Client{}, errors.Join(ErrUnavailable, noting.failed)
	case err != nil:
		// What it says may quote the token.
		return policy.Client{}, ErrRefused
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return policy.Client{}, ErrRefused
	}
	return i.clientOf(claims)
}

// published returns the keys of the issuer, which is asked once where it
// publishes them. They are fetched when a token names one that is not known.
func (i *issuer) published(ctx context.Context) (oidc.KeySet, error) {
	if keys := i.keys.Load(); keys != nil {
		return keys, nil
	}
	asked := i.asking.DoChan("", func() (any, error) {
		// It is asked for all who wait, and its time is bounded by the client's.
		keys, err := i.discover(context.WithoutCancel(ctx))
		if err == nil {
			i.keys.Store(keys)
		}
		return keys, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-asked:
		if result.Err != nil {
			return nil, result.Err
		}
		return i.keys.Load(), nil
	}
}

// discover asks an issuer where its keys are.
func (i *issuer) discover(ctx context.Context) (*oidc.RemoteKeySet, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.config.URL.String())
	if err != nil {
		return nil, fmt.Errorf("ask issuer %s for its configuration: %w", i.config.URL, err)
	}
	var found struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&found); err != nil || found.Keys == "" {
		return nil, fmt.Errorf("issuer %s does not say where its keys are", i.config.URL)
	}
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), i.client), found.Keys), nil
}

// notingKeys tells keys that can't be had from a signature that is wrong,
// which the verifier does not.
type notingKeys struct {
	oidc.KeySet
	failed error
}

// VerifySignature implements [oidc.KeySet].
func (k *notingKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	if cause := errors.Unwrap(err); cause != nil {
		k.failed = cause
	}
	return payload, err
}

// clientOf reads the name and groups from the claims of a token.
func (i *issuer) clientOf(claims map[string]any) (policy.Client, error) {
	named := cmp.Or(i.config.UsernameClaim, "sub")
	name, _ := claims[named].(string)
	if name == "" || named == "email" && !mayBeVerified(claims["email_verified"]) {
		return policy.Client{}, ErrRefused
	}
	client := policy.Client{User: i.config.Prefix + name}
	switch groups := claims[i.config.GroupsClaim].(type) {
	case string:
		client.Groups = []string{i.config.Prefix + groups}
	case []any:
		for _, group := range groups {
			if group, ok := group.(string); ok {
				client.Groups = append(client.Groups, i.config.Prefix+group)
			}
		}
	}
	return client, nil
}

// mayBeVerified reads the claim email_verified, which some issuers write as a
// string, and many leave out.
func mayBeVerified(claim any) bool {
	return claim == nil || claim == true || claim == "true"
}

// errResting means that an issuer is not asked just now.
var errResting = errors.New("the issuer was asked too often")

// resting asks an issuer only so often, and reads only so much of its answer.
type resting struct {
	limiter *rate.Limiter
}

// RoundTrip implements [http.RoundTripper].
func (r *resting) RoundTrip(req *http.Request) (*http.Response, error) {
	if !r.limiter.Allow() {
		return nil, errResting
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxIssuerAnswer), resp.Body}
	return resp, nil
}
