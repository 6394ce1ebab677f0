package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

// Why a tree does not go on below a manifest that has more.
const (
	// cutDepth: it is as deep as was asked for.
	cutDepth = "depth"
	// cutLimit: the answer is as large as it may be.
	cutLimit = "limit"
	// cutRepeated: the manifest is shown elsewhere, with all that it has.
	cutRepeated = "repeated"
)

// TreeNode is a manifest in a tree, as the extension's JSON has it.
type TreeNode struct {
	digest digest.Digest
	// Descriptor has only a digest where the manifest is missing.
	Descriptor json.RawMessage `json:"descriptor"`
	// Missing says that neither the index nor the registry has it.
	Missing bool `json:"missing,omitempty"`
	// Cut is why the tree does not go on here: "depth", "limit" or "repeated".
	Cut string `json:"cut,omitempty"`
	// Subject is what the manifest refers to; only on the way up.
	Subject   *TreeNode   `json:"subject,omitempty"`
	Referrers []*TreeNode `json:"referrers,omitempty"`
	// Manifests are those that an index holds.
	Manifests []*TreeNode `json:"manifests,omitempty"`
}

// Tree returns all that belongs to a manifest: what it refers to, what refers to
// it, and where it is an index its manifests, each with what refers to them in
// turn, down to a depth; legacy referrers too where they are wanted. To a caller who
// may not read in the repository the manifest is missing. It is bounded by the
// limits TreeNodes and Response.
func (r *Registry) Tree(ctx context.Context, caller *Caller, root digest.Digest, depth int, legacy bool) (*TreeNode, error) {
	limits := r.Limits()
	growth := treeGrowth{
		registry: r, caller: caller, legacy: legacy, seen: make(map[digest.Digest]bool),
		nodes: limits.TreeNodes, bytes: limits.Response,
	}
	return growth.grow(ctx, root, depth)
}

// treeGrowth is a tree while it is read.
type treeGrowth struct {
	registry *Registry
	caller   *Caller
	legacy   bool
	// seen are the manifests that are shown.
	seen map[digest.Digest]bool
	// nodes and bytes are what may still be added.
	nodes, bytes int
}

// offspring is what is below a manifest.
type offspring struct {
	referrers []index.Referrer
	manifests []digest.Digest
	// more says that there are further referrers.
	more bool
}

// grow reads a tree, level by level, so that what is cut off at the limit is
// the deepest.
func (t *treeGrowth) grow(ctx context.Context, subject digest.Digest, depth int) (*TreeNode, error) {
	// This lets the client in, or not, before anything that the index knows is
	// shown to it.
	if _, err := t.registry.Listing(ctx, t.caller, subject, index.Query{Limit: 1, Legacy: t.legacy}); err != nil {
		return nil, err
	}
	if !t.caller.Permitted() {
		return missingNode(subject), nil
	}
	records, err := t.registry.Records(ctx, t.caller, []digest.Digest{subject})
	if err != nil {
		return nil, err
	}
	root, err := t.plant(subject, records)
	if err != nil {
		return nil, err
	}
	if err := t.climb(ctx, root, records[subject], depth); err != nil {
		return nil, err
	}
	for level := []*TreeNode{root}; len(level) > 0; depth-- {
		if level, err = t.below(ctx, level, records, depth); err != nil {
			return nil, err
		}
		if records, err = t.registry.Records(ctx, t.caller, digestsOf(level)); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// climb adds what a manifest refers to, and so on upwards.
func (t *treeGrowth) climb(ctx context.Context, node *TreeNode, record index.Record, depth int) error {
	for ; record.Subject() != ""; depth-- {
		if depth == 0 || t.nodes <= 0 || t.bytes <= 0 {
			node.Cut = cutDepth
			if depth > 0 {
				node.Cut = cutLimit
			}
			return nil
		}
		subject := record.Subject()
		records, err := t.registry.Records(ctx, t.caller, []digest.Digest{subject})
		if err != nil {
			return err
		}
		if node.Subject, err = t.plant(subject, records); err != nil {
			return err
		}
		node, record = node.Subject, records[subject]
	}
	return nil
}

// below adds the next level, and returns of it what has to be looked below.
func (t *treeGrowth) below(ctx context.Context, level []*TreeNode, records map[digest.Digest]index.Record, depth int) ([]*TreeNode, error) {
	found, err := t.offspring(ctx, level, records, depth)
	if err != nil {
		return nil, err
	}
	var children []digest.Digest
	for _, o := range found {
		children = append(children, o.manifests...)
	}
	held := make(map[digest.Digest]index.Record)
	if depth > 0 {
		children = children[:min(len(children), max(t.nodes, 0))]
		if held, err = t.registry.Records(ctx, t.caller, children); err != nil {
			return nil, err
		}
		blobs, err := t.registry.blobsAmong(ctx, t.caller, children, held)
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].manifests = slices.DeleteFunc(found[i].manifests, func(child digest.Digest) bool { return blobs[child] })
		}
	}
	var next []*TreeNode
	for i, node := range level {
		switch {
		case depth > 0:
			grown, err := t.attach(node, found[i], held)
			if err != nil {
				return nil, err
			}
			next = append(next, grown...)
		case len(found[i].referrers)+len(found[i].manifests) > 0:
			node.Cut = cutDepth
		}
	}
	return next, nil
}

// offspring asks for what is below manifests. At depth 0 it asks only whether
// there is something.
func (t *treeGrowth) offspring(ctx context.Context, level []*TreeNode, records map[digest.Digest]index.Record, depth int) ([]offspring, error) {
	wanted := 1
	if depth > 0 {
		wanted = max(t.nodes, 1)
	}
	// All of the level together gets as much as there is room for in the answer.
	var left atomic.Int64
	left.Store(int64(t.bytes))
	found := make([]offspring, len(level))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(t.registry.Limits().Concurrency)
	for i, node := range level {
		for _, edge := range records[node.digest].Edges {
			if edge.Kind == index.EdgeManifest {
				found[i].manifests = append(found[i].manifests, edge.Target)
			}
		}
		group.Go(func() (err error) {
			// The client is permitted, so that nobody writes to it here.
			found[i].referrers, found[i].more, err = t.referrers(ctx, node.digest, wanted, &left)
			return err
		})
	}
	return found, group.Wait()
}

// referrers lists the first referrers of a manifest, page by page, as long as
// bytes are left for them.
func (t *treeGrowth) referrers(ctx context.Context, subject digest.Digest, wanted int, left *atomic.Int64) (all []index.Referrer, more bool, err error) {
	for query := (index.Query{Legacy: t.legacy}); ; {
		room := left.Load()
		query.Limit, query.MaxBytes = wanted-len(all), int(max(room, 1))
		if room <= 0 {
			// Only whether there is one more.
			query.Limit = 1
		}
		page, err := t.registry.Listing(ctx, t.caller, subject, query)
		if err != nil {
			return nil, false, err
		}
		if room <= 0 {
			return all, len(page.Referrers) > 0, nil
		}
		all = append(all, page.Referrers...)
		for _, referrer := range page.Referrers {
			left.Add(-int64(len(referrer.Descriptor)))
		}
		if !page.More || len(all) >= wanted {
			return all, page.More, nil
		}
		query.After = all[len(all)-1].Cursor()
	}
}

// attach adds children to a manifest while there is room, and returns those
// that are shown for the first time.
func (t *treeGrowth) attach(node *TreeNode, found offspring, held map[digest.Digest]index.Record) (next []*TreeNode, err error) {
	add := func(list *[]*TreeNode, child *TreeNode) {
		*list = append(*list, child)
		if child.Cut == "" && !child.Missing {
			next = append(next, child)
		}
	}
	for _, manifest := range found.manifests {
		if t.nodes <= 0 || t.bytes <= 0 {
			node.Cut = cutLimit
			return next, nil
		}
		child, err := t.plant(manifest, held)
		if err != nil {
			return nil, err
		}
		add(&node.Manifests, child)
	}
	for _, referrer := range found.referrers {
		if t.nodes <= 0 || t.bytes <= 0 {
			node.Cut = cutLimit
			return next, nil
		}
		add(&node.Referrers, t.show(&TreeNode{digest: referrer.Digest, Descriptor: referrer.Descriptor}))
	}
	if found.more {
		node.Cut = cutLimit
	}
	return next, nil
}

// plant returns the node of a manifest whose record is among some, if there is
// one.
func (t *treeGrowth) plant(manifest digest.Digest, records map[digest.Digest]index.Record) (*TreeNode, error) {
	record, known := records[manifest]
	if !known {
		return t.show(missingNode(manifest)), nil
	}
	encoded, err := record.Descriptor().Encode()
	if err != nil {
		return nil, err
	}
	return t.show(&TreeNode{digest: manifest, Descriptor: encoded}), nil
}

// show counts a node, and cuts it off where its manifest is shown already.
func (t *treeGrowth) show(node *TreeNode) *TreeNode {
	t.nodes--
	t.bytes -= len(node.Descriptor)
	if t.seen[node.digest] {
		node.Cut = cutRepeated
	}
	t.seen[node.digest] = true
	return node
}

func missingNode(manifest digest.Digest) *TreeNode {
	return &TreeNode{
		digest: manifest, Missing: true,
		Descriptor: fmt.Appendf(nil, `{"digest":%q}`, manifest),
	}
}

func digestsOf(nodes []*TreeNode) []digest.Digest {
	digests := make([]digest.Digest, 0, len(nodes))
	for _, node := range nodes {
		digests = append(digests, node.digest)
	}
	return digests
}
