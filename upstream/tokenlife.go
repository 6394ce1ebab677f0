package upstream

import (
	"context"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// TokenLife tells how long the token holds that the registry's token service gave
// to the service for its door, as the token itself says; 0 where that is not to be
// read from it. used is false where no token was needed: none was fetched by
// [Registry.Check], or the registry takes passwords.
func (r *Registry) TokenLife(ctx context.Context) (life time.Duration, used bool) {
	scheme, token, kept := r.keptToken(ctx, r.ways.Load().service)
	if !kept || scheme != auth.SchemeBearer {
		return 0, false
	}
	return lifeOf(token), true
}

// TokenLifeFor is [Registry.TokenLife] for the token that lets the service read in a
// repository. used is false too where nothing was read there yet.
func (r *Registry) TokenLifeFor(ctx context.Context, repository string) (life time.Duration, used bool) {
	return r.TokenLife(auth.WithScopesForHost(ctx, r.base.Host, auth.ScopeRepository(repository, auth.ActionPull)))
}
