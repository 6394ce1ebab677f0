package registry

import (
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/policy"
	"github.com/backref/backref/upstream"
)

// Caller is on whose behalf one repository is looked at: whom the upstream
// registry sees, and what it has let see. A Caller is of one request, or of one
// piece of background work. It is used by one goroutine at a time, but for
// questions to the upstream.
type Caller struct {
	as         upstream.Credentials
	repository string
	// namespace is the registry that the caller named; empty for none.
	namespace string
	// elsewhere is the registry that is meant, where that is not known to be the
	// upstream.
	elsewhere string
	// grant is the zero Grant until the gate or the rules let the caller in.
	// Until then a 404 of the upstream may be a way to say "not for you", so that
	// nothing follows from it.
	grant Grant
	// admitted is what the rules have let the caller in for; empty for nothing.
	admitted policy.Action
}

// ParamNamespace is the parameter by which clients of a mirror name the registry
// that they mean (containerd, "Registry Host Namespace").
const ParamNamespace = "ns"

// Scope is what a caller looks at.
type Scope struct {
	Repository string
	// Namespace is the registry that the caller named; empty for none. Foreign
	// says that it is not known to be the upstream.
	Namespace string
	Foreign   bool
}

// NewCaller returns a caller whom nobody has let in yet.
func NewCaller(as upstream.Credentials, at Scope) *Caller {
	c := &Caller{as: as, repository: at.Repository, namespace: at.Namespace}
	if at.Foreign {
		c.elsewhere = at.Namespace
	}
	return c
}

// Repository returns the name of the repository.
func (c *Caller) Repository() string { return c.repository }

// Permitted tells whether the gate, or the rules, have let the caller in.
func (c *Caller) Permitted() bool { return c.grant.given() }

// name names a manifest for what is remembered of it under the name of the
// registry that the caller means.
func (c *Caller) name(manifest digest.Digest) manifestName {
	return nameWithin(c.elsewhere, c.repository, manifest)
}

// upstreamItself returns the caller's credentials for questions about the
// upstream as the index knows it, whatever registry the caller means.
func (c *Caller) upstreamItself() upstream.Credentials {
	if c.elsewhere != "" {
		return c.as.Within("")
	}
	return c.as
}

// Reference names a manifest within a repository: by a tag or by a digest, one of
// which is set.
type Reference struct {
	Tag    string
	Digest digest.Digest
}

// String returns the tag or the digest.
func (r Reference) String() string {
	if r.Digest != "" {
		return r.Digest.String()
	}
	return r.Tag
}

// manifestName names a manifest.
type manifestName struct {
	repository string
	digest     digest.Digest
}

// tagName names a tag.
type tagName struct {
	repository, tag string
}

// nameWithin names a manifest for what is remembered of it under the name of
// another registry, or of none. No repository has a space.
func nameWithin(elsewhere, repository string, manifest digest.Digest) manifestName {
	if elsewhere != "" {
		repository = elsewhere + " " + repository
	}
	return manifestName{repository, manifest}
}
