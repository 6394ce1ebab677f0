package proxy

import (
	"net/http"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
)

// pageCache keeps answers to referrers queries, ready to be sent, as long as
// the store says that their listing is as it was. A nil one keeps nothing.
type pageCache struct {
	cache *otter.Cache[pageKey, cachedPage]
	store index.Versioner
	// follower is the store where others change it too, else nil.
	follower index.Follower
}

type pageKey struct {
	repository, subject, query string
	// response and descriptor are the limits that the answer keeps to.
	response, descriptor int
}

type cachedPage struct {
	version uint64
	page    answer.Page
}

// maxCachedQuery bounds the queries that are kept: they are part of the key.
const maxCachedQuery = 1 << 10

// newPageCache returns no cache for a store that can't tell what has changed.
func newPageCache(o Cache, store index.Store, metrics *prometheus.Registry) *pageCache {
	versioner, able := store.(index.Versioner)
	dropped := &evictions{}
	if !able || o.Pages <= 0 {
		showCache(metrics, cachePages, nil, dropped)
		return nil
	}
	follower, _ := store.(index.Follower)
	c := &pageCache{
		store: versioner, follower: follower,
		cache: otter.Must(&otter.Options[pageKey, cachedPage]{
			MaximumWeight: uint64(o.Pages), StatsRecorder: dropped,
			Weigher: func(_ pageKey, p cachedPage) uint32 {
				return uint32(len(p.page.Body)) + entryOverhead //nolint:gosec // At most limits.responseSize.
			},
		}),
	}
	showCache(metrics, cachePages, c.cache, dropped)
	return c
}

// pageSlot is where the answer to a request is kept. A nil one keeps none.
type pageSlot struct {
	cache *pageCache
	key   pageKey
	// tag is the referrers tag of the listing.
	tag     string
	version uint64
}

// slot is to be asked for before the store is. Where the store can't say what others
// have changed, the answer is neither found nor kept.
func (c *pageCache) slot(r *http.Request, target path, response, descriptor int) *pageSlot {
	if c == nil || target.foreign || len(r.URL.RawQuery) > maxCachedQuery {
		return nil
	}
	if c.follower != nil && c.follower.CatchUp(r.Context()) != nil {
		return nil
	}
	tag := oci.ReferrersTag(target.digest)
	return &pageSlot{
		cache:   c,
		key:     pageKey{target.repository, string(target.digest), r.URL.RawQuery, response, descriptor},
		tag:     tag,
		version: c.store.Version(target.repository, tag),
	}
}

// find returns what is kept, if the listing has not changed since.
func (l *pageSlot) find() (answer.Page, bool) {
	if l == nil {
		return answer.Page{}, false
	}
	kept, hit := l.cache.cache.GetIfPresent(l.key)
	return kept.page, hit && kept.version == l.version
}

// put caches an answer that was made after the place was asked for.
func (l *pageSlot) put(page answer.Page) {
	if l != nil {
		l.cache.cache.Set(l.key, cachedPage{l.version, page})
	}
}

// serveCachedPage answers a query of a client that is permitted from the cache, where
// nothing but the index has to be asked, and that has not changed. It is false
// where it can't.
//
// A client that has yet to be asked about is not served here: that it takes
// another time would tell it what is kept.
func (p *Proxy) serveCachedPage(w http.ResponseWriter, r *http.Request, place *pageSlot) bool {
	kept, hit := place.find()
	hit = hit && p.indexKnowsAll(place)
	if place != nil {
		p.metrics.cached(cachePages, hit)
	}
	if hit {
		sendPage(w, r, kept)
	}
	return hit
}

// indexKnowsAll tells whether the index is all that has to be asked for the
// listing of a place, but for the open intents that it knows of itself.
func (p *Proxy) indexKnowsAll(place *pageSlot) bool {
	return p.registry.IndexKnowsAll(place.key.repository, digest.Digest(place.key.subject), place.tag)
}
