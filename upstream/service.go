package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Service returns the service's own credentials. They are false where none
// are configured: then the registry is asked as an anonymous client.
func (r *Registry) Service() (Credentials, bool) {
	return Credentials{service: true}, r.configured
}

// newServiceClient returns the client that signs requests with the service's
// own credentials: it answers the registry's challenges, keeps tokens, and
// follows no redirect.
func newServiceClient(o Options, transport http.RoundTripper) (*auth.Client, error) {
	credential, err := serviceCredential(o)
	if err != nil {
		return nil, err
	}
	client := &auth.Client{
		Client: &http.Client{
			Transport:     onceTransport{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Cache:      newTokens(o.Timeouts.query()),
		Credential: credential,
		ClientID:   "backref",
	}
	if loopback(o.URL.Hostname()) {
		// A registry on this machine may have its token service here too.
		client.BlockedRealmPrefixes = []netip.Prefix{}
	}
	return client, nil
}

// serviceCredential returns what looks the service's credentials up. They are
// for the configured registry and no other.
func serviceCredential(o Options) (auth.CredentialFunc, error) {
	if o.Service.DockerConfig != "" {
		return dockerCredential(o.key("service.dockerConfig"), o.Service.DockerConfig, o.URL.Host)
	}
	password := o.Service.Password
	if o.Service.PasswordFile != "" {
		content, err := os.ReadFile(o.Service.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.key("service.passwordFile"), err)
		}
		password = strings.TrimRight(string(content), "\r\n")
	}
	credential := auth.EmptyCredential
	if o.Service.Username != "" {
		credential = auth.Credential{Username: o.Service.Username, Password: password}
	}
	return auth.StaticCredential(o.URL.Host, credential), nil
}

// dockerCredential looks credentials up in Docker's configuration file, which
// may name a credential helper for them; key is where that is named.
func dockerCredential(key, path, host string) (auth.CredentialFunc, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	store, err := credentials.NewStore(path, credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: %s can't be read: %w", key, path, err)
	}
	lookUp := credentials.Credential(store)
	return func(ctx context.Context, asked string) (auth.Credential, error) {
		if asked != host {
			return auth.EmptyCredential, nil
		}
		return lookUp(ctx, asked)
	}, nil
}

func loopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// notSignedIn says that the service was refused a token, or has nothing to sign
// in with: that is an answer, and to ask again doesn't help. Of all other errors
// it is empty.
func notSignedIn(err error) string {
	var refusal *errcode.ErrorResponse
	switch {
	case errors.As(err, &refusal) && (refusal.StatusCode == http.StatusUnauthorized || refusal.StatusCode == http.StatusForbidden):
		return "its token service refused: " + refusal.Error()
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return "it wants a user and a password"
	default:
		return ""
	}
}

func streamed(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
}

// prepare makes a request ready whose body can be sent only once: the token
// for it is fetched before, where it isn't kept. A registry that asks nobody to
// sign in at its door may still do so here; it is given the time to, before the
// body is sent.
func (r *reached) prepare(ctx context.Context, service *auth.Client, req *http.Request) error {
	body := &onceBody{source: req.Body}
	req.GetBody = body.again
	req.Body = &attempt{body: body}
	if r.signedIn(ctx, service) || r.anonymous {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.queries)
	defer cancel()
	door := newQuery(http.MethodGet, r.base.JoinPath("/v2/"), http.Header{})
	resp, err := service.Do(door.WithContext(ctx))
	if err != nil {
		return errors.Join(ErrUnreachable, r.withoutQuery(err, door.URL))
	}
	closeBody(resp.Body)
	if !r.signedIn(ctx, service) {
		req.Header.Set("Expect", "100-continue")
	}
	return nil
}

// signedIn tells whether the token is kept that a request needs.
func (r *reached) signedIn(ctx context.Context, service *auth.Client) bool {
	_, _, kept := r.keptToken(ctx, service)
	return kept
}

// keptToken returns the token that a request needs, if it is kept.
func (r *reached) keptToken(ctx context.Context, service *auth.Client) (scheme auth.Scheme, token string, kept bool) {
	scheme, err := service.Cache.GetScheme(ctx, r.base.Host)
	if err != nil {
		return scheme, "", false
	}
	key := ""
	if scheme == auth.SchemeBearer {
		key = strings.Join(auth.GetAllScopesForHost(ctx, r.base.Host), " ")
	}
	token, err = service.Cache.GetToken(ctx, r.base.Host, scheme, key)
	return scheme, token, err == nil
}
