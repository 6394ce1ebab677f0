package client

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry"

	"github.com/backref/backref/oci"
)

// Reference names a repository and, where Tag or Digest is set, a manifest in
// it. It is written host/repository, host/repository:tag or
// host/repository@digest.
type Reference struct {
	// Host is the registry's, with the port where one was given.
	Host       string
	Repository string
	Tag        string
	Digest     digest.Digest
}

// ParseReference reads a reference. Of a tag with a digest the digest counts,
// and the tag is kept.
func ParseReference(text string) (Reference, error) {
	parsed, err := registry.ParseReference(text)
	if err == nil && strings.HasSuffix(text, ":") {
		err = errors.New("the tag is empty")
	}
	if err != nil {
		return Reference{}, fmt.Errorf("%q is not a reference such as localhost:8080/app:v1 or localhost:8080/app@sha256:…: %w", text, err)
	}
	ref := Reference{Host: parsed.Registry, Repository: parsed.Repository}
	if !oci.ValidRepository(ref.Repository) {
		return Reference{}, fmt.Errorf("%q: %q is not the name of a repository", text, ref.Repository)
	}
	if sum, err := parsed.Digest(); err == nil {
		ref.Digest = sum
		named, _, _ := strings.Cut(text, "@")
		if _, tag, found := strings.Cut(strings.TrimPrefix(named, ref.Host+"/"), ":"); found {
			ref.Tag = tag
		}
		return ref, nil
	}
	ref.Tag = parsed.Reference
	return ref, nil
}

// Reference returns the tag or digest that the registry is asked for; the
// digest where there are both, "latest" where there is neither.
func (r Reference) Reference() string {
	switch {
	case r.Digest != "":
		return r.Digest.String()
	case r.Tag != "":
		return r.Tag
	default:
		return "latest"
	}
}

// At returns the reference of a manifest in the same repository.
func (r Reference) At(sum digest.Digest) Reference {
	return Reference{Host: r.Host, Repository: r.Repository, Digest: sum}
}

// String returns the reference as it is written.
func (r Reference) String() string {
	text := r.Host + "/" + r.Repository
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.Digest != "" {
		text += "@" + r.Digest.String()
	}
	return text
}

// loopback reports whether a host is this machine, where registries are mostly
// spoken to without TLS.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || ip != nil && ip.IsLoopback()
}
