package registry

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// tagChecks remembers which referrers tags were read, or found missing, not
// long ago.
type tagChecks struct {
	cache *otter.Cache[tagName, struct{}]
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

// importTag reads the subject's referrers tag, as the caller, and records the
// referrers that it lists; nothing where that was done not long ago and no
// import is open, for a client that is permitted: to one that isn't yet, whether
// others asked is not to be told. The result is to be kept only if the client turns out to be
// permitted.
func (r *Registry) importTag(ctx context.Context, caller *Caller, subject digest.Digest, open []index.Intent) (read *tagRead, err error) {
	read = &tagRead{name: tagName{caller.repository, oci.ReferrersTag(subject)}, at: r.now()}
	for _, intent := range open {
		if intent.Kind == index.IntentImport {
			read.imports = append(read.imports, intent)
		}
	}
	if len(read.imports) == 0 && (!r.options.ReferrersTags || caller.Permitted() && r.tagChecks.recent(read.name)) {
		return nil, nil
	}
	ctx, span := r.spans.Begin(ctx, "read referrers tag")
	defer func() { span.End(err) }()
	mark, err := r.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	judged, err := r.reader(caller).Judge(ctx, caller.repository, read.name.tag)
	if err != nil {
		return nil, err
	}
	switch {
	case judged.Kind != index.TagAbsent:
		r.permit(caller)
	case caller.admitted != "":
		// The upstream need not have been asked for anything else.
		if err := r.upstream.ServesAPI(ctx, caller.repository); err != nil {
			return nil, err
		}
	}
	return read, r.recordReferrers(ctx, mark, caller.repository, read.name.tag, judged)
}

// endImports remembers that a tag was read, and settles the imports of it.
func (r *Registry) endImports(ctx context.Context, read *tagRead) error {
	if read == nil {
		return nil
	}
	r.tagChecks.done(read.name)
	for _, intent := range read.imports {
		if err := r.store.Settle(ctx, intent.ID, index.Finding{At: read.at, Present: true}); err != nil {
			return err
		}
	}
	return nil
}

// importList records the referrers that an image index lists which a tag stands
// for. Each manifest speaks for itself, since clients have written entries that
// lack annotations or name a manifest of another subject.
func (r *Registry) importList(ctx context.Context, caller *Caller, tag string, list index.Manifest) error {
	mark, err := r.store.Mark(ctx)
	if err != nil {
		return err
	}
	judged, err := r.reader(caller).JudgeList(ctx, caller.repository, tag, list)
	if err != nil {
		return err
	}
	return r.recordReferrers(ctx, mark, caller.repository, tag, judged)
}

// recordReferrers records the referrers that were read with a tag. One that is
// something else is no error; what it lists counts all the same.
func (r *Registry) recordReferrers(ctx context.Context, mark index.Mark, repository, tag string, judged Judged) error {
	if judged.Kind == index.TagOther {
		r.log.Info("tag has the form of a referrers tag and is something else: "+judged.Reason, zap.String("repository", repository), zap.String("tag", tag))
	}
	for _, entry := range judged.Gone {
		r.log.Info("entry of a referrers tag is left out: the manifest is gone", zap.String("repository", repository),
			zap.String("tag", tag), zap.String("digest", entry.String()))
	}
	return r.observe(ctx, mark, repository, judged.Fresh...)
}

// recorded tells whether the index has a manifest.
func (r *Registry) recorded(ctx context.Context, repository string, manifest digest.Digest) (bool, error) {
	return knows(ctx, r.store, repository, manifest)
}
