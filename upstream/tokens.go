package upstream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Bounds of the tokens that are kept.
const (
	maxTokens = 10_000
	// tokenLife is how long a token holds that doesn't say: the least that
	// the registry protocol allows ("Token Response Fields").
	tokenLife = time.Minute
	// maxTokenLife is how long a token is used at most, so that a right that
	// was taken from the service ends some time.
	maxTokenLife = 15 * time.Minute
)

// tokens keeps the service's tokens by what they are for. One is dropped
// while it still holds: a request whose body can't be sent twice must not be
// the one to find out that it is too old.
type tokens struct {
	// scheme is the last that the registry asked for.
	scheme atomic.Int32
	kept   *otter.Cache[tokenKey, string]
	// fetching lets those who need the same token wait for one answer.
	fetching singleflight.Group
	timeout  time.Duration
}

type tokenKey struct {
	registry string
	scheme   auth.Scheme
	scopes   string
}

// newTokens returns an empty cache; fetching a token may take timeout.
func newTokens(timeout time.Duration) *tokens {
	return &tokens{
		timeout: timeout,
		kept: otter.Must(&otter.Options[tokenKey, string]{
			MaximumSize: maxTokens,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[tokenKey, string]) time.Duration {
				if e.Key.scheme == auth.SchemeBasic {
					return maxTokenLife
				}
				return usable(e.Value)
			}),
		}),
	}
}

// usable returns how long a fresh token is used: three quarters of its life.
func usable(token string) time.Duration {
	life := tokenLife
	if said := lifeOf(token); said > 0 {
		life = min(said, maxTokenLife)
	}
	return life * 3 / 4
}

// lifeOf returns how long a token says that it holds; 0 where it doesn't. What it
// says is for planning only, so its signature doesn't matter. Its two times are of
// one clock, ours may be another.
func lifeOf(token string) time.Duration {
	var claims struct {
		IssuedAt float64 `json:"iat"`
		Expiry   float64 `json:"exp"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.IssuedAt <= 0 || claims.Expiry <= claims.IssuedAt {
		return 0
	}
	const most = 100 * 365 * 24 * time.Hour // which a duration can hold
	return time.Duration(min(claims.Expiry-claims.IssuedAt, most.Seconds()) * float64(time.Second))
}

// GetScheme implements [auth.Cache].
func (t *tokens) GetScheme(context.Context, string) (auth.Scheme, error) {
	scheme := auth.Scheme(t.scheme.Load()) //nolint:gosec // Written from a Scheme only.
	if scheme == auth.SchemeUnknown {
		return scheme, errdef.ErrNotFound
	}
	return scheme, nil
}

// GetToken implements [auth.Cache].
func (t *tokens) GetToken(_ context.Context, registry string, scheme auth.Scheme, scopes string) (string, error) {
	if token, kept := t.kept.GetIfPresent(tokenKey{registry, scheme, scopes}); kept {
		return token, nil
	}
	return "", errdef.ErrNotFound
}

// Set implements [auth.Cache]. The token is fetched to the end although who
// asked first may leave, since others may wait for it.
func (t *tokens) Set(ctx context.Context, registry string, scheme auth.Scheme, scopes string,
	fetch func(context.Context) (string, error),
) (string, error) {
	key := tokenKey{registry, scheme, scopes}
	fetched := t.fetching.DoChan(strings.Join([]string{registry, scheme.String(), scopes}, " "), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.timeout)
		defer cancel()
		token, err := fetch(ctx)
		if err != nil {
			return "", err
		}
		t.scheme.Store(int32(scheme))
		t.kept.Set(key, token)
		return token, nil
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case result := <-fetched:
		token, _ := result.Val.(string)
		return token, result.Err
	}
}
