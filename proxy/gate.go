package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
)

// reader is a client that asks for what backref keeps of a repository. It may
// see it only if the upstream lets it read there with its own credentials.
type reader struct {
	as         upstream.Credentials
	repository string
	// permitted is set once the upstream let the client read something in
	// the repository. Until then a 404 may be a way to say "not for you", so
	// nothing follows from it.
	permitted bool
}

func readerOf(r *http.Request, target path) *reader {
	return &reader{as: upstream.CredentialsOf(r.Header), repository: target.repository}
}

// permissions remembers for a short time whom the upstream let read where.
type permissions struct {
	// hashes are keyed, and used again for another client.
	hashes sync.Pool
	cache  *otter.Cache[permission, struct{}]
}

// permission is a keyed hash over credentials and repository.
type permission [sha256.Size]byte

func newPermissions(key [32]byte, cfg config.Permissions) *permissions {
	c := &permissions{}
	c.hashes.New = func() any { return hmac.New(sha256.New, key[:]) }
	if cfg.CacheTTL > 0 {
		c.cache = newCache[permission, struct{}](cfg.CacheTTL, cfg.CacheEntries)
	}
	return c
}

// newCache returns a cache whose entries live for ttl after they were written.
func newCache[K comparable, V any](ttl time.Duration, entries int) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{
		MaximumSize:      entries,
		ExpiryCalculator: otter.ExpiryWriting[K, V](ttl),
	})
}

func (c *permissions) of(client *reader) permission {
	mac := c.hashes.Get().(hash.Hash) //nolint:forcetypeassert // That is all that is in there.
	defer c.hashes.Put(mac)
	mac.Reset()
	client.as.HashTo(mac)
	_, _ = io.WriteString(mac, client.repository)
	var sum permission
	mac.Sum(sum[:0])
	return sum
}

func (c *permissions) remembered(client *reader) bool {
	if c.cache == nil {
		return false
	}
	_, hit := c.cache.GetIfPresent(c.of(client))
	return hit
}

func (c *permissions) remember(client *reader) {
	if c.cache != nil {
		c.cache.Set(c.of(client), struct{}{})
	}
}

// enter asks whether the client may read in the repository, by the manifest
// that it wants to know the referrers of. A missing manifest decides nothing
// yet; what the upstream refuses is an error for the client to see.
func (p *Proxy) enter(ctx context.Context, client *reader, subject digest.Digest) error {
	if p.permissions.remembered(client) {
		client.permitted = true
		p.metrics.gate.WithLabelValues("remembered").Inc()
		return nil
	}
	_, err := p.canRead(ctx, client, subject)
	return err
}

// canRead asks whether the upstream lets the client read a manifest. Where it
// does, that is a permission for the whole repository.
func (p *Proxy) canRead(ctx context.Context, client *reader, manifest digest.Digest) (bool, error) {
	readable, err := p.upstream.Has(ctx, client.as, client.repository, manifest)
	if err != nil {
		p.metrics.gate.WithLabelValues("failed").Inc()
		return false, err
	}
	if readable {
		p.permit(client)
	}
	return readable, nil
}

// permit notes that the upstream let the client read in the repository.
func (p *Proxy) permit(client *reader) {
	if client.permitted {
		return
	}
	client.permitted = true
	p.permissions.remember(client)
	p.metrics.gate.WithLabelValues("granted").Inc()
}

// maxProbes is how many referrers of a subject that is not there are tried
// before the client is held for one that may not see them.
const maxProbes = 8

// enterByReferrer asks whether the client may read one of the referrers, for
// a subject that the upstream has not, or hides.
func (p *Proxy) enterByReferrer(ctx context.Context, client *reader, referrers []digest.Digest) error {
	for _, referrer := range referrers[:min(len(referrers), maxProbes)] {
		if readable, err := p.canRead(ctx, client, referrer); readable || err != nil {
			return err
		}
	}
	p.metrics.gate.WithLabelValues("hidden").Inc()
	return nil
}
