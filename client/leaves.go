package client

import (
	"context"
	"fmt"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// leafDepth is how deep [Repository.Leaves] looks, the most that a backref takes.
const leafDepth = 32

// branch is a node of the extension's tree, as far as it is needed to find leaves.
type branch struct {
	Descriptor struct {
		Digest digest.Digest `json:"digest"`
	} `json:"descriptor"`
	Missing   bool     `json:"missing"`
	Cut       string   `json:"cut"`
	Referrers []branch `json:"referrers"`
	Manifests []branch `json:"manifests"`
}

// Leaves returns those manifests below one, its referrers, what it lists, and so
// on, to which nothing refers, legacy referrers aside. A backref tells so by one
// request, of as many as it shows in a tree: what is not among the leaves may have
// referrers or not. Without a backref there are none.
func (r *Repository) Leaves(ctx context.Context, root digest.Digest) (map[digest.Digest]bool, error) {
	found, err := r.HasExtension(ctx)
	if err != nil || !found {
		return nil, err
	}
	values := url.Values{"subject": {root.String()}, "depth": {fmt.Sprint(leafDepth)}, index.ParamLegacy: {"false"}}
	var top branch
	if _, _, err := r.getJSON(ctx, r.extensionPath("graph/tree")+"?"+values.Encode(), &top); err != nil {
		return nil, fmt.Errorf("read the tree of %s: %w", r.Reference.At(root), err)
	}
	leaves := map[digest.Digest]bool{}
	top.collect(leaves)
	return leaves, nil
}

// collect adds the leaves at and below a node. One that is cut off is none, and
// neither is one that the registry has not.
func (b branch) collect(leaves map[digest.Digest]bool) {
	if b.Cut == "" && !b.Missing && len(b.Referrers) == 0 {
		leaves[b.Descriptor.Digest] = true
	}
	for _, below := range [][]branch{b.Referrers, b.Manifests} {
		for _, child := range below {
			child.collect(leaves)
		}
	}
}
