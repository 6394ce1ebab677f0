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

	"github.com/backref/backref/config"
)

// Service returns the service's own credentials. They are false where none
// are configured: then the registry is asked as an anonymous client.
func (r *Registry) Service() (Credentials, bool) {
	return Credentials{service: true}, r.configured
}

// newServiceClient returns the client that signs requests with the service's
// own credentials: it answers the registry's challenges, keeps tokens, and
// follows no redirect.
func newServiceClient(cfg config.Upstream, transport http.RoundTripper) (*auth.Client, error) {
	password := cfg.Service.Password
	if cfg.Service.PasswordFile != "" {
		content, err := os.ReadFile(cfg.Service.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("upstream.service.passwordFile: %w", err)
		}
		password = strings.TrimRight(string(content), "\r\n")
	}
	credential := auth.EmptyCredential
	if cfg.Service.Username != "" {
		credential = auth.Credential{Username: cfg.Service.Username, Password: password}
	}
	client := &auth.Client{
		Client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Cache:      auth.NewCache(),
		Credential: auth.StaticCredential(cfg.URL.Host, credential),
	}
	if loopback(cfg.URL.Hostname()) {
		// A registry on this machine may have its token service here too.
		client.BlockedRealmPrefixes = []netip.Prefix{}
	}
	client.SetUserAgent("backref")
	return client, nil
}

func loopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// do sends a request as whoever the credentials are.
func (r *Registry) do(ctx context.Context, as Credentials, req *http.Request) (*http.Response, error) {
	if !as.service {
		as.apply(req.Header)
		return r.RoundTrip(req)
	}
	r.aim(req)
	resp, err := r.service.Do(req)
	if err != nil {
		return nil, errors.Join(ErrUnreachable, err, ctx.Err())
	}
	return resp, nil
}
