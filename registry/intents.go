package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// intents is the [Writer] that keeps the index: a manifest with a subject is
// announced to it before the upstream sees the manifest, a delete before the
// upstream is asked for it, and what came of either is written when the upstream
// has answered, or left open for whoever asks the upstream next.
type intents struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w intents) Push(ctx context.Context, push *Push) (*http.Response, error) {
	defer w.registry.forgetTag(push.Caller.repository, push.Tag)
	switch {
	case !push.Known:
		return w.next.Push(ctx, push)
	case push.Caller.elsewhere != "":
		return w.pushElsewhere(ctx, push)
	case push.Manifest.Subject() != "":
		return w.pushAnnounced(ctx, push)
	case w.registry.ShowsListing(push.Tag):
		return w.pushReferrersTag(ctx, push)
	default:
		return w.pushManifest(ctx, push)
	}
}

// pushAnnounced pushes a manifest with a subject, or one that is being removed. The
// intent is durable before the upstream sees the manifest, and the record or still
// the intent before the caller sees the answer.
func (w intents) pushAnnounced(ctx context.Context, push *Push) (*http.Response, error) {
	r, record := w.registry, w.registry.recordOf(push)
	mark, err := r.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	intent, err := r.begin(ctx, index.Intent{Kind: index.IntentPush, Record: record, Replaces: push.Replaces})
	if err != nil {
		return nil, err
	}
	defer intent.leave()
	if record.Subject() != "" {
		Note(ctx, zap.Stringer("subject", record.Subject()))
	}
	resp, err := w.next.Push(ctx, push)
	if err != nil {
		intent.unknown()
		return nil, err
	}
	if !accepted(resp) {
		intent.end(resp)
		r.learnRefused(ctx, push, resp)
		return resp, nil
	}
	if other, differs := storedAs(resp, push.Body, record); differs {
		// The upstream keeps it under another algorithm's digest.
		if r.observe1(ctx, mark, other) {
			r.removeReplaced(ctx, push)
			intent.cancel()
		}
		intent.leave()
	} else {
		intent.confirm()
	}
	if record.Subject() != "" {
		resp.Header.Set("OCI-Subject", record.Subject().String())
	}
	return resp, nil
}

// storedAs tells whether the upstream states another digest for the manifest
// than the one it was announced with, and it is true.
func storedAs(resp *http.Response, body []byte, record index.Record) (index.Record, bool) {
	stated, err := digest.Parse(resp.Header.Get("Docker-Content-Digest"))
	if err != nil || stated == record.Digest || stated.Algorithm().FromBytes(body) != stated {
		return index.Record{}, false
	}
	record.Digest = stated
	return record, true
}

// pushManifest pushes a manifest without a subject. Its record serves walks
// of the graph, of which nothing is promised, so that one write afterwards is
// enough. One that was to be deleted is announced: the push is the later word, and
// only an intent says so to whoever would carry the delete out.
func (w intents) pushManifest(ctx context.Context, push *Push) (*http.Response, error) {
	r, record := w.registry, w.registry.recordOf(push)
	// Where the index can't say so nothing is carried out by it either.
	if removing, err := r.store.Removing(ctx, record.Repository, []digest.Digest{record.Digest}); err == nil && len(removing) > 0 {
		return w.pushAnnounced(ctx, push)
	}
	mark, markErr := r.store.Mark(ctx)
	resp, err := w.next.Push(ctx, push)
	if err != nil {
		return nil, err
	}
	if accepted(resp) && markErr == nil {
		if other, differs := storedAs(resp, push.Body, record); differs {
			record = other
		}
		r.observe1(ctx, mark, record)
	}
	return resp, nil
}

// pushReferrersTag takes the push of a referrers tag by a client that keeps
// one itself: its entries are recorded once the upstream has it. The intent
// makes the next reader do so where this process can't.
func (w intents) pushReferrersTag(ctx context.Context, push *Push) (*http.Response, error) {
	r, record := w.registry, w.registry.recordOf(push)
	mark, err := r.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	intent, err := r.begin(ctx, importOf(push))
	if err != nil {
		return nil, err
	}
	defer intent.leave()
	resp, err := w.next.Push(ctx, push)
	if err != nil {
		intent.unknown()
		return nil, err
	}
	if !accepted(resp) {
		intent.end(resp)
		return resp, nil
	}
	r.observe1(ctx, mark, record)
	if err := r.importList(context.WithoutCancel(ctx), push.Caller, push.Tag, record.Manifest); err != nil {
		Note(ctx, zap.NamedError("import", fmt.Errorf("referrers tag %s: %w", push.Tag, err)))
		intent.unknown()
	} else {
		intent.confirm()
	}
	return resp, nil
}

// importOf announces that a referrers tag may list more than the index knows.
func importOf(push *Push) index.Intent {
	return index.Intent{Kind: index.IntentImport, Tag: push.Tag, Record: index.Record{Repository: push.Caller.repository}}
}

// pushElsewhere pushes a manifest to a registry that is not known to be the
// upstream. The index keeps it only if the upstream has it too: then it is a
// referrer under both names, and promised to be listed. Else the client is not
// told so, and keeps a referrers tag itself.
func (w intents) pushElsewhere(ctx context.Context, push *Push) (*http.Response, error) {
	r := w.registry
	intent, announced := r.intentElsewhere(push)
	var begun *begun
	if announced {
		var err error
		if begun, err = r.begin(ctx, intent); err != nil {
			return nil, err
		}
		defer begun.leave()
	}
	resp, err := w.next.Push(ctx, push)
	if err != nil {
		if announced {
			begun.unknown()
		}
		return nil, err
	}
	switch {
	case !announced:
	case !accepted(resp):
		begun.end(resp)
	case intent.Kind == index.IntentPush && r.upstreamHas(ctx, push.Caller, push.Manifest.Digest):
		begun.confirm()
		resp.Header.Set("OCI-Subject", push.Manifest.Subject().String())
	default:
		// That the upstream hides it from this client is possible too.
		begun.unknown()
	}
	return resp, nil
}

// intentElsewhere returns what has to be announced of a push: it may be one to
// the upstream.
func (r *Registry) intentElsewhere(push *Push) (index.Intent, bool) {
	switch {
	case push.Manifest.Subject() != "":
		return index.Intent{Kind: index.IntentPush, Record: r.recordOf(push)}, true
	case r.ShowsListing(push.Tag):
		return importOf(push), true
	}
	return index.Intent{}, false
}

// upstreamHas tells whether the upstream, as the index knows it, is seen to have
// a manifest.
func (r *Registry) upstreamHas(ctx context.Context, caller *Caller, manifest digest.Digest) bool {
	present, err := r.upstream.Has(ctx, caller.upstreamItself(), caller.repository, manifest)
	if err != nil {
		Note(ctx, zap.NamedError("unnamed", err))
	}
	return present
}

// observe1 records one manifest that the upstream was seen to have, and tells
// whether it could. A failure is the operator's: the caller's request went
// well.
func (r *Registry) observe1(ctx context.Context, mark index.Mark, record index.Record) bool {
	err := r.store.Observe(context.WithoutCancel(ctx), mark, record)
	if err != nil {
		Note(ctx, zap.NamedError("observe", err))
	}
	return err == nil
}

// Delete implements [Writer]: it takes the manifest from the listings.
func (w intents) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	if deletion.Tag == "" {
		return w.deleteNamed(ctx, deletion, deletion.Digest)
	}
	defer w.registry.forgetTag(deletion.Caller.repository, deletion.Tag)
	manifest, err := w.registry.reader(deletion.Caller).Resolve(ctx, deletion.Caller.repository, deletion.Tag)
	if err != nil {
		Note(ctx, zap.NamedError("resolve", err))
		return w.deleteUnresolved(ctx, deletion)
	}
	known := *deletion
	known.tagged = manifest
	return w.deleteNamed(ctx, &known, manifest)
}

// deleteNamed passes on the delete of a manifest, or of a tag that stands for
// it.
func (w intents) deleteNamed(ctx context.Context, deletion *Deletion, manifest digest.Digest) (*http.Response, error) {
	r, caller := w.registry, deletion.Caller
	intent, err := r.begin(ctx, index.Intent{Kind: index.IntentDelete, Record: index.Record{
		Repository: caller.repository, Manifest: index.Manifest{Digest: manifest},
	}})
	if err != nil {
		return nil, err
	}
	defer intent.leave()
	r.forgetWithin(caller, manifest)
	resp, err := w.next.Delete(ctx, deletion)
	// One that was pulled meanwhile may have been kept.
	r.forgetWithin(caller, manifest)
	if err != nil {
		intent.unknown()
		return nil, err
	}
	if (deletion.Tag != "" || caller.elsewhere != "") && accepted(resp) {
		r.endUntag(ctx, intent, caller, manifest)
	} else {
		intent.end(resp)
		if accepted(resp) {
			r.noteGone(ctx, caller.repository, manifest)
		}
	}
	return resp, nil
}

// endUntag settles the deletion of a tag, with which some registries delete
// the manifest too, or a deletion from a registry that may be the upstream. Of
// the latter a client may read without reading from the upstream, so that what
// it doesn't find there may be there.
func (r *Registry) endUntag(ctx context.Context, intent *begun, caller *Caller, manifest digest.Digest) {
	_, err := r.upstream.Resolve(ctx, caller.upstreamItself(), caller.repository, manifest.String())
	switch {
	case err == nil:
		intent.cancel()
	case errors.Is(err, upstream.ErrNotFound) && caller.elsewhere == "":
		intent.confirm()
	default:
		intent.unknown()
		Note(ctx, zap.NamedError("resolve", err))
	}
}
