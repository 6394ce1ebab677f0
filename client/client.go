package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Options say how registries are reached.
type Options struct {
	// PlainHTTP says that hosts are spoken to without TLS, or that none is. Nil
	// leaves it to the host: without TLS on this machine, with TLS elsewhere.
	PlainHTTP *bool
	// Insecure accepts any certificate.
	Insecure bool
	// CAFile is a file of PEM certificates that are trusted besides the system's.
	CAFile string
	// UserAgent is what registries see in their logs.
	UserAgent string
	// Timeout is how long a registry may keep the client waiting, for the answer to
	// a question or within a body, before the request fails with a [SilenceError];
	// ten times as long for the answer to what it stores. 0 is [DefaultTimeout].
	Timeout time.Duration
	// Around returns what requests go by, around the way that they would go; nil is for
	// that way.
	Around func(direct http.RoundTripper) http.RoundTripper
	// Way is what requests go by in place of the network; nil for the network. What
	// concerns TLS does not count then.
	Way http.RoundTripper
	// Once says that nothing is tried again, for who would rather be told than wait.
	Once bool
	// Credential returns what a host is told of who asks, in place of the user's Docker
	// credentials; nil for those.
	Credential auth.CredentialFunc
	// Tokens keeps what hosts gave to who asks, between clients of the same user; nil
	// for what this client alone keeps.
	Tokens auth.Cache
	// BlockedRealms are where no token service of a registry may be; nil for this
	// machine, its link and the like (oras-go, Client.BlockedRealmPrefixes).
	BlockedRealms []netip.Prefix
	// Flags stands before the names of flags in what errors advise; "from-", say.
	Flags string
}

// Client reaches registries as one user.
type Client struct {
	options Options
	http    *auth.Client
	// once is for questions whose failure is an answer too, and tries nothing
	// again.
	once *auth.Client
}

// New returns a client, by the user's Docker credentials unless the options say
// others.
func New(options Options) (*Client, error) {
	credential := options.Credential
	if credential == nil {
		store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
		if err != nil {
			return nil, fmt.Errorf("read the credentials of Docker: %w", err)
		}
		credential = credentials.Credential(store)
	}
	direct, err := newTransport(options)
	if err != nil {
		return nil, err
	}
	if options.Around != nil {
		direct = options.Around(direct)
	}
	transport := patience{direct, cmp.Or(options.Timeout, DefaultTimeout)}
	patient := &auth.Client{
		Client:     &http.Client{Transport: retry.NewTransport(transport)},
		Cache:      options.Tokens,
		Credential: credential,
		Header:     http.Header{"User-Agent": {options.UserAgent}},

		BlockedRealmPrefixes: options.BlockedRealms,
	}
	if patient.Cache == nil {
		patient.Cache = auth.NewCache()
	}
	once := *patient
	once.Client = &http.Client{Transport: transport}
	if options.Once {
		patient.Client = once.Client
	}
	return &Client{options, patient, &once}, nil
}

func newTransport(options Options) (http.RoundTripper, error) {
	if options.Way != nil {
		return options.Way, nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	if options.CAFile == "" && !options.Insecure {
		return transport, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the certificates of the system: %w", err)
	}
	if options.CAFile != "" {
		pem, err := os.ReadFile(options.CAFile)
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate", options.CAFile)
		}
	}
	// The user asks for it by name.
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, InsecureSkipVerify: options.Insecure} //nolint:gosec // G402: --insecure
	return transport, nil
}

// Plain reports whether a host is spoken to without TLS.
func (c *Client) Plain(host string) bool {
	if c.options.PlainHTTP != nil {
		return *c.options.PlainHTTP
	}
	return loopback(host)
}

// Repository is one repository of a registry. It is safe for concurrent use.
type Repository struct {
	// Reference is that of the repository, without tag or digest.
	Reference Reference

	http   *auth.Client
	once   *auth.Client
	remote *remote.Repository
	// base is what paths are appended to.
	base string
	// flags stands before the names of flags in errors.
	flags string
	// extension and api remember what the registry was found to have.
	extension, api atomic.Int32
}

// What is known of something that a registry may have.
const (
	unknown int32 = iota
	present
	absent
)

// Repository returns the repository that a reference names. Nothing is asked
// yet.
func (c *Client) Repository(ref Reference) *Repository {
	plain := c.Plain(ref.Host)
	scheme := "https"
	if plain {
		scheme = "http"
	}
	remoteRef := registry.Reference{Registry: ref.Host, Repository: ref.Repository}
	return &Repository{
		Reference: Reference{Host: ref.Host, Repository: ref.Repository},
		http:      c.http,
		once:      c.once,
		remote:    &remote.Repository{Client: c.http, Reference: remoteRef, PlainHTTP: plain},
		base:      scheme + "://" + remoteRef.Host(),
		flags:     c.options.Flags,
	}
}

// scoped adds what a request is about to be allowed to do, so that one token
// serves for it. Without a repository it is about the catalog.
func (r *Repository) scoped(ctx context.Context, actions ...string) context.Context {
	if r.Reference.Repository == "" {
		_, host, _ := strings.Cut(r.base, "://")
		return auth.AppendScopesForHost(ctx, host, auth.ScopeRegistryCatalog)
	}
	return auth.AppendRepositoryScope(ctx, r.remote.Reference, actions...)
}
