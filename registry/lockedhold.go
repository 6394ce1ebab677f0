package registry

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// heldParts are contexts of which each ends when something that is held may be
// lost: from then on nothing is to be sent upstream.
type heldParts []context.Context

func (h heldParts) lost() bool {
	return slices.ContainsFunc(h, func(part context.Context) bool { return part.Err() != nil })
}

// holding is what a writer holds among all writers of a repository. The zero value
// holds nothing. One goroutine uses it.
type holding struct {
	held     heldParts
	releases []func()
}

// add takes over what was locked until a context ends.
func (h *holding) add(held context.Context, release func()) {
	h.held = append(h.held, held)
	h.releases = append(h.releases, release)
}

// release gives all back, the last first. It may be called again.
func (h *holding) release() {
	for _, release := range slices.Backward(h.releases) {
		release()
	}
	h.releases = nil
}

// manifestShares is into how many shares the manifests of a repository fall.
// Who writes a tag by which a manifest is held, and who deletes the manifest,
// take turns; that others of its share do so too costs time alone.
const manifestShares = 16

// holdManifests waits until nobody deletes a manifest, or gives it a first locked
// tag, through any process, and adds that to what is held.
//
// All who hold tags and shares take them in one order, so that none waits for
// another in a circle: tags before shares, and either by their names.
func (r *Registry) holdManifests(ctx context.Context, repository string, hold *holding, manifests ...digest.Digest) error {
	var shares []string
	for _, manifest := range manifests {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(manifest))
		// No tag has a colon.
		shares = append(shares, fmt.Sprintf("manifests:%02d", hash.Sum32()%manifestShares))
	}
	slices.Sort(shares)
	for _, share := range slices.Compact(shares) {
		held, release, err := r.lockTag(ctx, tagName{repository, share})
		if err != nil {
			return err
		}
		hold.add(held, release)
	}
	return nil
}

// holdPushed is [Registry.holdManifests] for the manifest of a push and all that
// is listed below it.
func (r *Registry) holdPushed(ctx context.Context, push *Push, hold *holding) error {
	pushed := push.Digest
	if pushed == "" {
		pushed = digest.FromBytes(push.Body)
	}
	below, err := r.below(ctx, push.Caller, listedManifests(push.Manifest))
	if err != nil {
		return err
	}
	return r.holdManifests(ctx, push.Caller.repository, hold, append(below, pushed)...)
}

// listedManifests returns what an index lists.
func listedManifests(manifest index.Manifest) []digest.Digest {
	var listed []digest.Digest
	for _, edge := range manifest.Edges {
		if edge.Kind == index.EdgeManifest {
			listed = append(listed, edge.Target)
		}
	}
	return listed
}
