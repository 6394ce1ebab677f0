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
		registry: r, caller: caller, subject: subject,
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
	return index.Page{Referrers: selected[:fits], More: fits < len(selected)}, nil
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
		tag := oci.ReferrersTag(l.subject)
		manifest, err := r.upstream.Manifest(ctx, as, repository, tag, r.limits.Size)
		switch {
		case errors.Is(err, upstream.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			r.permit(l.caller)
			entries, err := upstream.ParseIndex(manifest.Body, r.limits.Entries)
			if err != nil && !errors.Is(err, upstream.ErrNotIndex) {
				return nil, fmt.Errorf("read referrers tag %s: %w", tag, err)
			}
			add(entries)
		}
	}
	native, err := r.upstream.Referrers(ctx, as, repository, l.subject, r.limits.Entries)
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

// recall reads what the index knows of the subject's referrers, and of pushes of
// them whose outcome is open.
func (l *elsewhereListing) recall(ctx context.Context, open []index.Intent) error {
	most := l.registry.limits.Entries
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
	group.SetLimit(l.registry.limits.Concurrency)
	for manifest, descriptor := range l.known {
		group.Go(func() error {
			present, err := l.has(ctx, manifest)
			if present {
				l.add(oci.Descriptor(descriptor))
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
// it can't be read the registry's own API is believed.
func (l *elsewhereListing) read(ctx context.Context, listed oci.Descriptor) (oci.Descriptor, bool, error) {
	record, found, err := l.registry.fetchReferrer(ctx, l.caller, oci.ReferrersTag(l.subject), listed.Digest)
	if native := l.native[listed.Digest]; native && errors.Is(err, index.ErrMediaType) {
		return listed, true, nil
	}
	if !found {
		return listed, l.native[listed.Digest], err
	}
	return record.Descriptor(), record.Subject() == l.subject, nil
}

// fetchReferrer fetches a manifest that a referrers tag lists. One that is
// gone, can't be read, or has another subject is no referrer; one that can't
// be had just now is an error.
func (r *Registry) fetchReferrer(ctx context.Context, caller *Caller, tag string, entry digest.Digest) (index.Record, bool, error) {
	skip := func(reason string, err error) (index.Record, bool, error) {
		r.log.Info("entry of a referrers tag is left out: "+reason, zap.String("repository", caller.repository),
			zap.String("tag", tag), zap.String("digest", entry.String()), zap.Error(err))
		return index.Record{}, false, nil
	}
	fetched, err := r.upstream.Manifest(ctx, caller.as, caller.repository, entry.String(), r.limits.Size)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return skip("the manifest is gone", nil)
	case errors.Is(err, upstream.ErrInvalid):
		return skip("the manifest can't be used", err)
	case err != nil:
		return index.Record{}, false, err
	}
	manifest, err := r.limits.Manifest.ParseServed(fetched.MediaType, entry.Algorithm(), fetched.Body)
	switch {
	case errors.Is(err, index.ErrManifest):
		return skip("the manifest can't be read", err)
	case err != nil:
		return index.Record{}, false, err
	}
	if subject := manifest.Subject(); subject == "" || oci.ReferrersTag(subject) != tag {
		return skip("the manifest has another subject", nil)
	}
	return index.Record{Repository: caller.repository, Manifest: manifest, Seen: r.now()}, true, nil
}
