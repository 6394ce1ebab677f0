package options

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/policy"
)

// Access returns what auth.rules say of who may do what; nil where the registry
// decides (auth.mode passthrough).
func Access(auth config.Auth) (*policy.Access, error) {
	if auth.Mode != config.AuthService {
		return nil, nil
	}
	return rules(auth.Rules)
}
