package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// reader is a client that asks for what backref keeps of a repository. It may
// see it only if the upstream lets it read there with its own credentials, or
// in auth.mode service the rules do.
type reader struct {
	as         upstream.Credentials
	repository string
	// permitted is set once the upstream let the client read something in
	// the repository. Until then a 404 may be a way to say "not for you", so
	// nothing follows from it.
	permitted bool
	// elsewhere is the registry that it means, where that is not known to be
	// the upstream.
	elsewhere string
}

// readerOf returns the client of a request. In auth.mode service the rules have
// let it in already.
func (p *Proxy) readerOf(r *http.Request, target path) *reader {
	return &reader{as: p.credentials(r), repository: target.repository, permitted: p.access != nil, elsewhere: target.elsewhere()}
}

// permissions remembers for a short time whom the upstream let read where.
type permissions struct {
	// hashes are keyed, and used again for another client.
	hashes sync.Pool
	cache  *otter.Cache[permission, struct{}]
}

// permission is a keyed hash over all that the upstream may judge by: the
// credentials, where the client is, its program, the registry that it means,
// and the repository.
type permission [sha256.Size]byte

// keyedHash is a hash with room for what goes into it and comes out.
type keyedHash struct {
	mac  hash.Hash
	text []byte
}

func newPermissions(key [32]byte, cfg config.Permissions) *permissions {
	c := &permissions{}
	c.hashes.New = func() any { return &keyedHash{mac: hmac.New(sha256.New, key[:])} }
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
	k := c.hashes.Get().(*keyedHash) //nolint:forcetypeassert // That is all that is in there.
	defer c.hashes.Put(k)
	k.text = append(client.as.AppendTo(k.text[:0]), client.repository...)
	k.mac.Reset()
	_, _ = k.mac.Write(k.text)
	clear(k.text)
	k.text = k.mac.Sum(k.text[:0])
	return permission(k.text)
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

// recall tells whether the client is permitted, as far as that is known here.
func (p *Proxy) recall(client *reader) bool {
	if !client.permitted && p.permissions.remembered(client) {
		client.permitted = true
		p.metrics.gate.WithLabelValues("remembered").Inc()
	}
	return client.permitted
}

// enter asks whether the client may read in the repository, by the manifest
// that it wants to know the referrers of. A missing manifest decides nothing
// yet; what the upstream refuses is an error for the client to see.
func (p *Proxy) enter(ctx context.Context, client *reader, subject digest.Digest) error {
	if p.recall(client) {
		return nil
	}
	readable, err := p.anyReadable(ctx, client, []digest.Digest{subject})
	if readable {
		p.permit(client)
	}
	return err
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

// maxProbes is how many manifests are tried for a subject that is not there
// before the client is held for one that may not see its referrers.
const maxProbes = 8

// probeBytes bounds what is read of the index for a client that may not see it.
const probeBytes = 64 << 10

// tryReferrers lets a client in by a referrer that it may read, where the
// subject is not there to ask for.
func (p *Proxy) tryReferrers(ctx context.Context, client *reader, subject digest.Digest, open []index.Intent) error {
	if client.permitted {
		return nil
	}
	page, err := p.store.Referrers(ctx, client.repository, subject, index.Query{Limit: maxProbes, MaxBytes: probeBytes})
	if err != nil {
		return err
	}
	var probes []digest.Digest
	for _, referrer := range page.Referrers {
		probes = append(probes, referrer.Digest)
	}
	for _, intent := range open {
		if intent.Kind != index.IntentImport {
			probes = append(probes, intent.Record.Digest)
		}
	}
	return p.tryManifests(ctx, client, probes)
}

// tryManifests lets a client in by a manifest that it may read. The same number
// of questions is asked at once whatever the index holds: neither they nor the
// time that they take tell a client that gets in nowhere whether there is
// something to hide.
func (p *Proxy) tryManifests(ctx context.Context, client *reader, probes []digest.Digest) error {
	if client.permitted {
		return nil
	}
	for len(probes) < maxProbes {
		probes = append(probes, digest.FromString(rand.Text()))
	}
	readable, err := p.anyReadable(ctx, client, probes[:maxProbes])
	if readable {
		p.permit(client)
		return nil
	}
	return err
}

// anyReadable asks whether the upstream lets the client read one of the
// manifests. An error counts only where none is readable.
func (p *Proxy) anyReadable(ctx context.Context, client *reader, manifests []digest.Digest) (bool, error) {
	readable := make([]bool, len(manifests))
	var group errgroup.Group
	group.SetLimit(p.config.Limits.UpstreamQueries)
	for i, manifest := range manifests {
		group.Go(func() error {
			var err error
			readable[i], err = p.upstream.Has(ctx, client.as, client.repository, manifest)
			return err
		})
	}
	first := group.Wait()
	if slices.Contains(readable, true) {
		return true, nil
	}
	if first != nil {
		p.metrics.gate.WithLabelValues("failed").Inc()
	}
	return false, first
}
