package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
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

func (c *tagChecks) forget(name tagName) {
	if c.cache != nil {
		c.cache.Invalidate(name)
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
	read := &tagRead{name: tagName{client.repository, oci.ReferrersTag(subject)}, at: p.now()}
	for _, intent := range open {
		if intent.Kind == index.IntentImport {
			read.imports = append(read.imports, intent)
		}
	}
	if len(read.imports) == 0 && (p.config.Referrers.FallbackTags == config.FallbackOff || client.permitted && p.tagChecks.recent(read.name)) {
		return nil, nil
	}
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	judged, err := p.judgeOf(client).Judge(ctx, client.repository, read.name.tag)
	if err != nil {
		return nil, err
	}
	if judged.Kind != index.TagAbsent {
		p.permit(client)
	}
	return read, p.recordReferrers(ctx, mark, client.repository, read.name.tag, judged)
}

// judgeOf returns what judges the tags of the upstream as a client.
func (p *Proxy) judgeOf(client *reader) *registry.Reader {
	limits := p.config.Limits
	return &registry.Reader{
		Upstream: p.upstream, As: client.as, Records: p.store,
		Limits: registry.Limits{
			Manifest: p.manifestLimits(), Size: int64(limits.ManifestSize),
			Entries: limits.TagEntries, Concurrency: limits.UpstreamQueries,
		},
	}
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

// importList records the referrers that an image index lists which a tag stands
// for. Each manifest speaks for itself, since clients have written entries that
// lack annotations or name a manifest of another subject.
func (p *Proxy) importList(ctx context.Context, client *reader, tag string, list index.Manifest) error {
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return err
	}
	judged, err := p.judgeOf(client).JudgeList(ctx, client.repository, tag, list)
	if err != nil {
		return err
	}
	return p.recordReferrers(ctx, mark, client.repository, tag, judged)
}

// recordReferrers records the referrers that were read with a tag. One that is
// something else is no error; what it lists counts all the same.
func (p *Proxy) recordReferrers(ctx context.Context, mark index.Mark, repository, tag string, judged registry.Judged) error {
	if judged.Kind == index.TagOther {
		p.log.Info("tag has the form of a referrers tag and is something else: "+judged.Reason, zap.String("repository", repository), zap.String("tag", tag))
	}
	for _, entry := range judged.Gone {
		p.log.Info("entry of a referrers tag is left out: the manifest is gone", zap.String("repository", repository),
			zap.String("tag", tag), zap.String("digest", entry.String()))
	}
	if len(judged.Fresh) == 0 {
		return nil
	}
	records := make([]index.Record, 0, len(judged.Fresh))
	for _, referrer := range judged.Fresh {
		records = append(records, index.Record{Repository: repository, Manifest: referrer, Seen: p.now()})
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

// pushReferrersTag takes the push of a referrers tag by a client that keeps
// one itself: its entries are recorded once the upstream has it. The intent
// makes the next reader do so where this process can't.
func (p *Proxy) pushReferrersTag(w http.ResponseWriter, r *http.Request, push push) error {
	mark, err := p.store.Mark(r.Context())
	if err != nil {
		return err
	}
	tag := push.target.tag
	intent, err := p.begin(r, index.Intent{
		Kind: index.IntentImport, Tag: tag,
		Record: index.Record{Repository: push.target.repository},
	})
	if err != nil {
		return err
	}
	defer intent.leave()
	resp, err := p.sendManifest(p.sparing(r, push))
	if err != nil {
		intent.unknown()
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if !accepted(resp) {
		intent.end(resp)
		return p.relay(w, r, resp)
	}
	p.observe1(r, mark, push.record)
	client := p.readerOf(r, push.target)
	if err := p.importList(detached(r), client, push.target.tag, push.record.Manifest); err != nil {
		note(r, zap.NamedError("import", fmt.Errorf("referrers tag %s: %w", push.target.tag, err)))
		intent.unknown()
	} else {
		intent.confirm()
	}
	return p.relay(w, r, resp)
}
