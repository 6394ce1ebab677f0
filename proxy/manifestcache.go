package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
)

// manifestCache keeps manifests that were pulled by digest. A nil one keeps
// nothing.
type manifestCache struct {
	cache *otter.Cache[manifestKey, cachedManifest]
	// deleted changes for a manifest when it is deleted.
	deleted *index.Versions
}

// manifestKey has the media types that the client accepts, because a registry
// may answer differently to them.
type manifestKey struct {
	repository, digest, accept string
}

type cachedManifest struct {
	header  http.Header
	body    []byte
	version uint64
}

// entryOverhead is about what an entry takes beside its body.
const entryOverhead = 1 << 10

func newManifestCache(o Cache, metrics *prometheus.Registry) *manifestCache {
	dropped := &evictions{}
	if o.Manifests <= 0 {
		showCache(metrics, cacheManifests, nil, dropped)
		return nil
	}
	c := &manifestCache{
		deleted: index.NewVersions(),
		cache: otter.Must(&otter.Options[manifestKey, cachedManifest]{
			MaximumWeight:    uint64(o.Manifests),
			Weigher:          func(_ manifestKey, m cachedManifest) uint32 { return uint32(len(m.body)) + entryOverhead }, //nolint:gosec // At most limits.manifestSize.
			ExpiryCalculator: otter.ExpiryWriting[manifestKey, cachedManifest](o.ManifestTTL),
			StatsRecorder:    dropped,
		}),
	}
	showCache(metrics, cacheManifests, c.cache, dropped)
	return c
}

// drop forgets a manifest that is about to be deleted, or was: also one that
// is being pulled just now.
func (c *manifestCache) drop(repository string, manifest digest.Digest) {
	if c != nil {
		c.deleted.Changed(repository, manifest.String())
	}
}

// manifestSlot is the place of a response in the cache. A nil one takes none.
type manifestSlot struct {
	cache   *manifestCache
	key     manifestKey
	version uint64
}

// slot is to be asked for before the upstream is.
func (c *manifestCache) slot(r *http.Request, target path) *manifestSlot {
	if c == nil || target.digest == "" || target.foreign || r.Header.Get("Range") != "" {
		return nil
	}
	return &manifestSlot{cache: c, key: keyOf(r, target), version: c.deleted.Of(target.repository, target.digest.String())}
}

func keyOf(r *http.Request, target path) manifestKey {
	return manifestKey{target.repository, target.digest.String(), strings.Join(r.Header["Accept"], ",")}
}

// takes tells whether a response is one to keep.
func (s *manifestSlot) takes(resp *http.Response) bool {
	return s != nil && resp.StatusCode == http.StatusOK && len(resp.Header["Set-Cookie"]) == 0 && resp.Header.Get("Content-Encoding") == ""
}

// put caches a response that the slot takes, if its body is what was asked for.
func (s *manifestSlot) put(resp *http.Response, body []byte) {
	if name := digest.Digest(s.key.digest); name.Algorithm().FromBytes(body) != name {
		return
	}
	header := http.Header{}
	// Others may speak of the client that pulled it.
	for _, name := range []string{"Content-Type", "Docker-Content-Digest", "Docker-Distribution-Api-Version", "Etag", "Last-Modified"} {
		if values := resp.Header[name]; len(values) > 0 {
			header[name] = values
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	s.cache.cache.Set(s.key, cachedManifest{header: header, body: slices.Clone(body), version: s.version})
}

// find returns what is kept for a request.
func (c *manifestCache) find(r *http.Request, target path) (cachedManifest, bool) {
	if r.Header.Get("Range") != "" {
		return cachedManifest{}, false
	}
	found, hit := c.cache.GetIfPresent(keyOf(r, target))
	return found, hit && found.version == c.deleted.Of(target.repository, target.digest.String())
}

// serveCached answers from the cache where it has the manifest and the client
// is known to be permitted. It is false where the upstream has to answer: a
// client that has yet to be asked about is not told by the time that it takes
// what is kept. What the rules keep from the client is an error.
func (p *Proxy) serveCached(
	w http.ResponseWriter, r *http.Request, target path, caller *registry.Caller, rules policy.ArtifactRules,
) (served bool, err error) {
	if p.manifests == nil || target.digest == "" || target.foreign {
		return false, nil
	}
	if !p.registry.MayRead(r.Context(), caller, target.digest) {
		return false, nil
	}
	found, hit := p.manifests.find(r, target)
	if hit {
		// One that the index doesn't know is for the upstream to show.
		hit = p.registry.Indexed(r.Context(), caller, target.digest)
	}
	if hit && len(rules) > 0 {
		if hit, err = p.registry.MayPullRecorded(r.Context(), caller, rules, target.digest); err != nil {
			return false, err
		}
	}
	p.metrics.cached(cacheManifests, hit)
	if !hit {
		return false, nil
	}
	note(r, zap.Bool("cached", true))
	header := w.Header()
	for name, values := range found.header {
		header[name] = values
	}
	if etag := found.header.Get("ETag"); etag != "" && etagMatches(r.Header.Values("If-None-Match"), etag) {
		header.Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return true, nil
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		wrap.WriteWhole(w, r, found.body)
	}
	return true, nil
}
