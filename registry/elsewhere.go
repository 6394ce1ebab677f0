package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// elsewhereListing gathers the referrers that a repository has under the name of
// a registry that is not known to be the upstream. What the index knows is tried
// there, and what there is of other sources is asked for by that name; nothing
// of it is kept in the index.
type elsewhereListing struct {
	registry *Registry
	caller   *Caller
	reader   *Reader
	subject  digest.Digest
	// known are referrers that the index knows of the repository.
	known map[digest.Digest]oci.Descriptor
	// open are those whose push or delete is of unknown outcome.
	open map[digest.Digest]bool
	// native are those that the registry's own API lists.
	native map[digest.Digest]bool

	mutex   sync.Mutex
	present map[digest.Digest]oci.Descriptor
}

// listElsewhere returns a page of such a listing.
func (r *Registry) listElsewhere(ctx context.Context, caller *Caller, subject digest.Digest, query index.Query) (index.Page, error) {
	l := &elsewhereListing{
		registry: r, caller: caller, reader: r.reader(caller), subject: subject,
		known: map[digest.Digest]oci.Descriptor{}, present: map[digest.Digest]oci.Descriptor{},
		open: map[digest.Digest]bool{}, native: map[digest.Digest]bool{},
	}
	unsettled, err := r.store.Unsettled(ctx, caller.repository, subject)
	if err != nil {
		return index.Page{}, err
	}
	open := r.withoutUnderway(unsettled)
	if err := r.tryReferrers(ctx, caller, subject, open); err != nil {
		return index.Page{}, err
	}
	found, err := l.sources(ctx)
	if err != nil {
		return index.Page{}, err
	}
	legacy, err := r.legacyReferrers(ctx, caller, subject, query.Legacy)
	if err != nil {
		return index.Page{}, err
	}
	if !caller.Permitted() {
		r.metrics.gate.WithLabelValues("hidden").Inc()
		return index.Page{}, nil
	}
	if err := l.recall(ctx, open); err != nil {
		return index.Page{}, err
	}
	if err := l.look(ctx, found); err != nil {
		return index.Page{}, err
	}
	present := make([]oci.Descriptor, 0, len(l.present))
	for _, entry := range l.present {
		present = append(present, entry)
	}
	selected, err := selectReferrers(present, query)
	if err != nil {
		return index.Page{}, err
	}
	fits := query.Fit(selected)
	page := index.Page{Referrers: selected[:fits], More: fits < len(selected)}
	return r.withLegacy(ctx, caller, page, legacy, query)
}

// sources returns what the registry itself lists: under the referrers tag, and
// by an API of its own. Either may show that the client is permitted.
func (l *elsewhereListing) sources(ctx context.Context) (map[digest.Digest]oci.Descriptor, error) {
	r, as, repository := l.registry, l.caller.as, l.caller.repository
	found := map[digest.Digest]oci.Descriptor{}
	add := func(entries []oci.Descriptor) {
		for _, entry := range entries {
			found[entry.Digest] = entry
		}
	}
	if r.options.ReferrersTags {
		listed, err := l.underTag(ctx)
		if err != nil {
			return nil, err
		}
		add(listed)
	}
	native, err := r.upstream.Referrers(ctx, as, repository, l.subject, r.Limits().Entries)
	switch {
	case errors.Is(err, upstream.ErrNoReferrers):
		if !l.caller.Permitted() {
			return found, nil
		}
		// A token may have ended since the permission was remembered.
		_, err := r.upstream.Has(ctx, as, repository, l.subject)
		return found, err
	case err != nil:
		return nil, err
	case len(native) > 0:
		r.permit(l.caller)
	}
	for _, entry := range native {
		l.native[entry.Digest] = true
	}
	add(native)
	return found, nil
}

// underTag returns what the registry lists under the referrers tag. Each entry
// speaks for itself, so that more than its digest is of no account.
func (l *elsewhereListing) underTag(ctx context.Context) ([]oci.Descriptor, error) {
	tag := oci.ReferrersTag(l.subject)
	list, err := l.reader.list(ctx, l.caller.repository, tag)
	if list.Digest != "" {
		l.registry.permit(l.caller)
	}
	switch {
	case errors.Is(err, index.ErrNotFound), errors.Is(err, index.ErrManifest):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read referrers tag %s: %w", tag, err)
	case list.MediaType != oci.MediaTypeImageIndex:
		return nil, nil
	}
	var entries []oci.Descriptor
	for _, edge := range list.Edges {
		if edge.Kind != index.EdgeSubject {
			entries = append(entries, oci.Descriptor{Digest: edge.Target})
		}
	}
	return entries, nil
}

// recall reads what the index knows of the subject's referrers, and of pushes of
// them whose outcome is open.
func (l *elsewhereListing) recall(ctx context.Context, open []index.Intent) error {
	most := l.registry.Limits().Entries
	page, err := l.registry.store.Referrers(ctx, l.caller.repository, l.subject, index.Query{Limit: most})
	if err != nil {
		return err
	}
	if page.More {
		return fmt.Errorf("%w: %w", upstream.ErrInvalid, upstream.ErrTooMany)
	}
	for _, referrer := range page.Referrers {
		var descriptor oci.Descriptor
		if err := json.Unmarshal(referrer.Descriptor, &descriptor); err != nil {
			return fmt.Errorf("%w: descriptor of %s: %w", index.ErrDamaged, referrer.Digest, err)
		}
		l.known[referrer.Digest] = descriptor
	}
	for _, intent := range open {
		if intent.Kind == index.IntentPush {
			l.known[intent.Record.Digest] = intent.Record.Descriptor()
		}
		l.open[intent.Record.Digest] = true
	}
	return nil
}

// look asks the registry for all that is known or was found.
func (l *elsewhereListing) look(ctx context.Context, found map[digest.Digest]oci.Descriptor) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(l.registry.Limits().Concurrency)
	for manifest, descriptor := range l.known {
		group.Go(func() error {
			present, err := l.has(ctx, manifest)
			if present {
				l.add(descriptor)
			}
			return err
		})
	}
	for manifest, listed := range found {
		if _, known := l.known[manifest]; known {
			continue
		}
		group.Go(func() error {
			entry, is, err := l.read(ctx, listed)
			if is {
				l.add(entry)
			}
			return err
		})
	}
	return group.Wait()
}

func (l *elsewhereListing) add(entry oci.Descriptor) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.present[entry.Digest] = entry
}

// has tells whether a manifest is there, as was seen a moment ago or is now.
func (l *elsewhereListing) has(ctx context.Context, manifest digest.Digest) (bool, error) {
	r, name := l.registry, l.caller.name(manifest)
	if _, seen := r.elsewhere.GetIfPresent(name); seen && !l.open[manifest] {
		return true, nil
	}
	present, err := r.upstream.Has(ctx, l.caller.as, l.caller.repository, manifest)
	if present {
		r.elsewhere.Set(name, struct{}{})
	}
	return present, err
}

// read reads a manifest that the registry lists, which speaks for itself. Where
// it can't be had, or read, the registry's own API is believed; what only the
// tag lists is no referrer then.
func (l *elsewhereListing) read(ctx context.Context, listed oci.Descriptor) (oci.Descriptor, bool, error) {
	if l.native[listed.Digest] {
		manifest, is, err := l.reader.listedReferrer(ctx, l.caller.repository, l.subject, listed)
		if err == nil && manifest.Digest == "" {
			return listed, true, nil
		}
		return manifest.Descriptor(), is, err
	}
	found, err := l.reader.Manifest(ctx, l.caller.repository, listed.Digest.String())
	switch OutcomeOf(err) {
	case OutcomeRead:
		return found.Descriptor(), found.Subject() == l.subject, nil
	case OutcomeGone, OutcomeUnreadable, OutcomeExcessive:
		l.registry.log.Info("entry of a referrers tag is left out: the manifest is gone or can't be read", zap.String("repository", l.caller.repository),
			zap.String("tag", oci.ReferrersTag(l.subject)), zap.String("digest", listed.Digest.String()), zap.Error(err))
		return listed, false, nil
	default:
		return listed, false, err
	}
}
