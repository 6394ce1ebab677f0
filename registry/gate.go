package registry

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"slices"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

// permissions remembers for a short time whom the upstream let read where.
type permissions struct {
	// hashes are keyed, and used again for another caller.
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

func newPermissions(key [32]byte, ttl time.Duration, entries int) *permissions {
	c := &permissions{}
	c.hashes.New = func() any { return &keyedHash{mac: hmac.New(sha256.New, key[:])} }
	if ttl > 0 {
		c.cache = newCache[permission, struct{}](ttl, entries)
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

func (c *permissions) of(caller *Caller) permission {
	k := c.hashes.Get().(*keyedHash) //nolint:forcetypeassert // That is all that is in there.
	defer c.hashes.Put(k)
	k.text = append(caller.as.AppendTo(k.text[:0]), caller.repository...)
	k.mac.Reset()
	_, _ = k.mac.Write(k.text)
	clear(k.text)
	k.text = k.mac.Sum(k.text[:0])
	return permission(k.text)
}

func (c *permissions) remembered(caller *Caller) bool {
	if c.cache == nil {
		return false
	}
	_, hit := c.cache.GetIfPresent(c.of(caller))
	return hit
}

// number returns how many there are, about.
func (c *permissions) number() int {
	if c.cache == nil {
		return 0
	}
	return c.cache.EstimatedSize()
}

func (c *permissions) remember(caller *Caller) {
	if c.cache != nil {
		c.cache.Set(c.of(caller), struct{}{})
	}
}

// Recall tells whether the client is permitted, as far as that is known here.
func (r *Registry) Recall(caller *Caller) bool {
	if !caller.Permitted() && r.permissions.remembered(caller) {
		caller.grant = r.grantFor(caller.repository)
		r.metrics.gate.WithLabelValues("remembered").Inc()
	}
	return caller.Permitted()
}

// Enter asks whether the client may read in the repository, by the manifest
// that it wants to know the referrers of. A missing manifest decides nothing
// yet; what the upstream refuses is an error for the client to see.
func (r *Registry) Enter(ctx context.Context, caller *Caller, subject digest.Digest) error {
	if r.Recall(caller) {
		return nil
	}
	ctx, span := r.spans.Begin(ctx, "gate")
	readable, err := r.anyReadable(ctx, caller, []digest.Digest{subject})
	span.End(err)
	if readable {
		r.permit(caller)
	}
	return err
}

// permit notes that the upstream let the client read in the repository.
func (r *Registry) permit(caller *Caller) {
	if caller.Permitted() {
		return
	}
	caller.grant = r.grantFor(caller.repository)
	r.permissions.remember(caller)
	r.metrics.gate.WithLabelValues("granted").Inc()
}

// maxProbes is how many manifests are tried for a subject that is not there
// before the client is held for one that may not see its referrers.
const maxProbes = 8

// probeBytes bounds what is read of the index for a client that may not see it.
const probeBytes = 64 << 10

// tryReferrers lets a client in by a referrer that it may read, where the
// subject is not there to ask for.
func (r *Registry) tryReferrers(ctx context.Context, caller *Caller, subject digest.Digest, open []index.Intent) error {
	if caller.Permitted() {
		return nil
	}
	page, err := r.store.Referrers(ctx, caller.repository, subject, index.Query{Limit: maxProbes, MaxBytes: probeBytes})
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
	return r.tryManifests(ctx, caller, probes)
}

// tryManifests lets a client in by a manifest that it may read. The same number
// of questions is asked at once whatever the index holds: neither they nor the
// time that they take tell a client that gets in nowhere whether there is
// something to hide.
func (r *Registry) tryManifests(ctx context.Context, caller *Caller, probes []digest.Digest) error {
	if caller.Permitted() {
		return nil
	}
	for len(probes) < maxProbes {
		probes = append(probes, digest.FromString(rand.Text()))
	}
	readable, err := r.anyReadable(ctx, caller, probes[:maxProbes])
	if readable {
		r.permit(caller)
		return nil
	}
	return err
}

// anyReadable asks whether the upstream lets the client read one of the
// manifests. An error counts only where none is readable.
func (r *Registry) anyReadable(ctx context.Context, caller *Caller, manifests []digest.Digest) (bool, error) {
	readable := make([]bool, len(manifests))
	var group errgroup.Group
	group.SetLimit(r.Limits().Concurrency)
	for i, manifest := range manifests {
		group.Go(func() error {
			var err error
			readable[i], err = r.upstream.Has(ctx, caller.as, caller.repository, manifest)
			return err
		})
	}
	first := group.Wait()
	if slices.Contains(readable, true) {
		return true, nil
	}
	if first != nil {
		r.metrics.gate.WithLabelValues("failed").Inc()
	}
	return false, first
}

// MayRead tells whether the upstream lets the caller read a manifest that backref
// keeps a copy of. A caller who is not known to may is asked for whether or not
// there is a copy, so that the number of questions tells nothing; what the
// upstream says beside yes it will say to the caller itself.
func (r *Registry) MayRead(ctx context.Context, caller *Caller, manifest digest.Digest) bool {
	if r.Recall(caller) {
		return true
	}
	// A pull that went well proves nothing here: it may have been let in by
	// other headers than those by which a caller is remembered.
	readable, err := r.upstream.Has(ctx, caller.as, caller.repository, manifest)
	if err != nil || !readable {
		return false
	}
	r.permit(caller)
	return true
}

// Hidden counts a listing that was shown as that of an unknown repository.
func (r *Registry) Hidden() {
	r.metrics.gate.WithLabelValues("hidden").Inc()
}
