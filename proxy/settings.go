package proxy

import (
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/signin"
)

// Settings are what may change of a proxy while it serves.
type Settings struct {
	// SignIn and Rules say who clients are and what they may do. They count where
	// the proxy was made with such, and are required there.
	SignIn *signin.Door
	Rules  *policy.Access
	Limits Limits
	// Registry bounds the registry that the proxy shows.
	Registry registry.Limits
	// Policies are the rules of the life cycle.
	Policies policy.Policies
}

// Set has other settings count from now on. Requests under way may end by those
// that they began with. It may be called at any time.
func (p *Proxy) Set(s Settings) {
	if p.access != nil {
		p.access.present.Store(&entrance{s.SignIn, s.Rules})
	}
	p.bounds.Store(&s.Limits)
	p.registry.SetLimits(s.Registry)
	p.registry.SetPolicies(s.Policies)
}

// limits returns those of the moment, which nobody changes.
func (p *Proxy) limits() *Limits { return p.bounds.Load() }
