package registry

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// lockedMemory remembers what is asked again and again where many manifests are
// deleted from a repository with locked tags.
type lockedMemory struct {
	// tags are what locked tags stand for: nobody moves them through backref.
	tags *otter.Cache[tagName, digest.Digest]
	// lists are what manifests list, which never changes.
	lists *otter.Cache[digest.Digest, []digest.Digest]
	// gone are manifests that an index lists and the upstream doesn't have.
	gone *otter.Cache[manifestName, struct{}]
}

// lockedTagFor is how long it is remembered what a locked tag stands for, and what
// is missing below one.
const lockedTagFor = time.Minute

func newLockedMemory(entries int) lockedMemory {
	return lockedMemory{
		newCache[tagName, digest.Digest](lockedTagFor, entries),
		newCache[digest.Digest, []digest.Digest](time.Hour, entries),
		newCache[manifestName, struct{}](lockedTagFor, entries),
	}
}

// forget is called when other tags may be locked: what a tag stands for that was
// not locked meanwhile may have changed.
func (m lockedMemory) forget() { m.tags.InvalidateAll() }

// below returns some manifests and all that is listed below them.
func (r *Registry) below(ctx context.Context, caller *Caller, manifests []digest.Digest) ([]digest.Digest, error) {
	seen := map[digest.Digest]bool{}
	for _, manifest := range manifests {
		seen[manifest] = true
	}
	err := r.descend(ctx, caller, manifests, func(_, child digest.Digest) bool {
		if seen[child] {
			return false
		}
		seen[child] = true
		return true
	})
	return slices.Sorted(maps.Keys(seen)), err
}

// descend walks down from manifests to what they list, level by level. visit says
// of each edge whether its end is to be gone on from.
func (r *Registry) descend(ctx context.Context, caller *Caller, level []digest.Digest, visit func(parent, child digest.Digest) bool) error {
	for left := r.Limits().ListEntries; len(level) > 0; {
		if left -= len(level); left < 0 {
			answer := oci.Unavailable(http.StatusBadGateway, "locked tags hold more manifests than this proxy reads; its operator can raise limits.listEntries", nil)
			answer.Limit = "limits.listEntries"
			return answer
		}
		listed, err := r.listedBy(ctx, caller, level)
		if err != nil {
			return err
		}
		var next []digest.Digest
		for i, parent := range level {
			for _, child := range listed[i] {
				if visit(parent, child) {
					next = append(next, child)
				}
			}
		}
		level = next
	}
	return nil
}

// listedAtOnce is how many records are read by one of those who read at once.
const listedAtOnce = 32

// listedBy returns what each of some manifests lists. What an index lists never
// changes, so it is remembered.
func (r *Registry) listedBy(ctx context.Context, caller *Caller, manifests []digest.Digest) ([][]digest.Digest, error) {
	listed := make([][]digest.Digest, len(manifests))
	var unknown []int
	for i, manifest := range manifests {
		known, hit := r.locked.lists.GetIfPresent(manifest)
		if listed[i] = known; !hit {
			unknown = append(unknown, i)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for places := range slices.Chunk(unknown, listedAtOnce) {
		group.Go(func() error { return r.readLists(ctx, caller, manifests, places, listed) })
	}
	return listed, group.Wait()
}

// readLists reads what the manifests in some places list, and puts it into the
// same places.
func (r *Registry) readLists(ctx context.Context, caller *Caller, manifests []digest.Digest, places []int, listed [][]digest.Digest) error {
	wanted := make([]digest.Digest, 0, len(places))
	asked := make([]int, 0, len(places))
	for _, place := range places {
		gone, err := r.isGone(ctx, caller, manifests[place])
		if err != nil {
			return err
		}
		if !gone {
			wanted, asked = append(wanted, manifests[place]), append(asked, place)
		}
	}
	records, err := r.Records(ctx, caller, wanted)
	if err != nil {
		return err
	}
	for _, place := range asked {
		manifest := manifests[place]
		record, found := records[manifest]
		switch {
		case !found:
			r.locked.gone.Set(caller.name(manifest), struct{}{})
		case unreadIndex(record):
			return oci.Unavailable(http.StatusBadGateway, "a locked tag holds index "+manifest.String()+", which this proxy can't read, so that nobody knows what it lists; "+
				"its operator can raise limits.manifestSize and limits.manifestDescriptors", nil)
		default:
			listed[place] = listedManifests(record.Manifest)
			r.locked.lists.Set(manifest, listed[place])
		}
	}
	return nil
}

// isGone tells whether a manifest was missing a moment ago, and was not pushed
// through backref since.
func (r *Registry) isGone(ctx context.Context, caller *Caller, manifest digest.Digest) (bool, error) {
	if _, gone := r.locked.gone.GetIfPresent(caller.name(manifest)); !gone {
		return false, nil
	}
	known, err := knows(ctx, r.store, caller.repository, manifest)
	return !known, err
}

// unreadIndex tells whether a record is that of an index of which nobody knows what
// it lists: what can't be read is no record of the store.
func unreadIndex(record index.Record) bool {
	isIndex := oci.IsIndexType(record.MediaType)
	return isIndex && record.Seen.IsZero() && len(record.Edges) == 0
}
