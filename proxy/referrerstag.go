package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// tagChecks remembers which referrers tags were read, or found missing, not
// long ago.
type tagChecks struct {
	cache *otter.Cache[tagName, struct{}]
}

type tagName struct {
	repository, tag string
}

func newTagChecks(recheck time.Duration, entries int) *tagChecks {
	if recheck <= 0 {
		return &tagChecks{}
	}
	return &tagChecks{cache: newCache[tagName, struct{}](recheck, entries)}
}

func (c *tagChecks) recent(name tagName) bool {
	if c.cache == nil {
		return false
	}
	_, hit := c.cache.GetIfPresent(name)
	return hit
}

func (c *tagChecks) done(name tagName) {
	if c.cache != nil {
		c.cache.Set(name, struct{}{})
	}
}

// tagRead is what was found under a referrers tag.
type tagRead struct {
	name    tagName
	at      time.Time
	imports []index.Intent
}

// importTag reads the subject's referrers tag, as the client, and records the
// referrers that it lists; nothing where that was done not long ago and no
// import is open, for a client that is permitted: to one that isn't yet, whether
// others asked is not to be told. The result is to be kept only if the client turns out to be
// permitted.
func (p *Proxy) importTag(ctx context.Context, client *reader, subject digest.Digest, open []index.Intent) (*tagRead, error) {
	read := &tagRead{name: tagName{client.repository, index.ReferrersTag(subject)}, at: p.now()}
	for _, intent := range open {
		if intent.Kind == index.IntentImport {
			read.imports = append(read.imports, intent)
		}
	}
	if len(read.imports) == 0 && (p.config.Referrers.FallbackTags == config.FallbackOff || client.permitted && p.tagChecks.recent(read.name)) {
		return nil, nil
	}
	manifest, err := p.upstream.Manifest(ctx, client.as, client.repository, read.name.tag, int64(p.config.Limits.ManifestSize))
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return read, nil
	case err != nil:
		return nil, err
	}
	p.permit(client)
	return read, p.importEntries(ctx, client, read.name.tag, manifest.Body)
}

// keep remembers that a tag was read, and settles the imports of it.
func (p *Proxy) keep(ctx context.Context, read *tagRead) error {
	if read == nil {
		return nil
	}
	p.tagChecks.done(read.name)
	for _, intent := range read.imports {
		if err := p.store.Settle(ctx, intent.ID, index.Finding{At: read.at, Present: true}); err != nil {
			return err
		}
	}
	return nil
}

// importEntries records the referrers that a referrers tag's index lists. The
// index is taken for a list of digests only: each manifest is fetched and
// speaks for itself, since clients have written entries that lack annotations
// or name a manifest of another subject.
func (p *Proxy) importEntries(ctx context.Context, client *reader, tag string, body []byte) error {
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return err
	}
	entries, err := upstream.ParseIndex(body, p.config.Limits.TagEntries)
	switch {
	case errors.Is(err, upstream.ErrNotIndex):
		p.log.Warn("referrers tag is no image index, and is left alone", zap.String("repository", client.repository), zap.String("tag", tag))
		return nil
	case err != nil:
		// It may list what nothing else does.
		return fmt.Errorf("read referrers tag %s: %w", tag, err)
	}
	var mutex sync.Mutex
	var records []index.Record
	group, fetching := errgroup.WithContext(ctx)
	group.SetLimit(p.config.Limits.UpstreamQueries)
	for _, entry := range entries {
		if known, err := p.recorded(ctx, client.repository, entry.Digest); err != nil {
			return errors.Join(err, group.Wait())
		} else if known {
			continue
		}
		group.Go(func() error {
			record, found, err := p.fetchReferrer(fetching, client, tag, entry.Digest)
			if found {
				mutex.Lock()
				defer mutex.Unlock()
				records = append(records, record)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if len(records) == 0 {
		return nil
	}
	return p.store.Observe(ctx, mark, records...)
}

func (p *Proxy) recorded(ctx context.Context, repository string, manifest digest.Digest) (bool, error) {
	_, err := p.store.Get(ctx, repository, manifest)
	if errors.Is(err, index.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// fetchReferrer fetches a manifest that a referrers tag lists. One that is
// gone, can't be read, or has another subject is no referrer; one that can't
// be had just now is an error.
func (p *Proxy) fetchReferrer(ctx context.Context, client *reader, tag string, entry digest.Digest) (index.Record, bool, error) {
	skip := func(reason string, err error) (index.Record, bool, error) {
		p.log.Info("entry of a referrers tag is left out: "+reason, zap.String("repository", client.repository),
			zap.String("tag", tag), zap.String("digest", entry.String()), zap.Error(err))
		return index.Record{}, false, nil
	}
	fetched, err := p.upstream.Manifest(ctx, client.as, client.repository, entry.String(), int64(p.config.Limits.ManifestSize))
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return skip("the manifest is gone", nil)
	case errors.Is(err, upstream.ErrInvalid):
		return skip("the manifest can't be used", err)
	case err != nil:
		return index.Record{}, false, err
	}
	manifest, err := p.manifestLimits().ParseServed(fetched.MediaType, entry.Algorithm(), fetched.Body)
	switch {
	case errors.Is(err, index.ErrManifest):
		return skip("the manifest can't be read", err)
	case err != nil:
		return index.Record{}, false, err
	}
	if subject := manifest.Subject(); subject == "" || index.ReferrersTag(subject) != tag {
		return skip("the manifest has another subject", nil)
	}
	return index.Record{Repository: client.repository, Manifest: manifest, Seen: p.now()}, true, nil
}

// pushReferrersTag takes the push of a referrers tag by a client that keeps
// one itself: its entries are recorded once the upstream has it. The intent
// makes the next reader do so where this process can't.
func (p *Proxy) pushReferrersTag(w http.ResponseWriter, r *http.Request, push push) {
	mark, err := p.store.Mark(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	intent, err := p.begin(r, index.Intent{
		Kind: index.IntentImport, Tag: push.target.tag,
		Record: index.Record{Repository: push.target.repository},
	})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer intent.leave()
	resp, err := p.sendManifest(r, push)
	if err != nil {
		intent.unknown()
		p.fail(w, r, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	if !accepted(resp) {
		intent.end(resp)
		p.relay(w, r, resp)
		return
	}
	p.observe1(r, mark, push.record)
	client := p.readerOf(r, push.target)
	if err := p.importEntries(detached(r), client, push.target.tag, push.body); err != nil {
		note(r, zap.NamedError("import", fmt.Errorf("referrers tag %s: %w", push.target.tag, err)))
		intent.unknown()
	} else {
		intent.confirm()
	}
	p.relay(w, r, resp)
}
