package client

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Node is a manifest with what it lists and what refers to it.
type Node struct {
	oci.Descriptor
	// Kind says in words what it is, Signer who signed, where that is told.
	Kind   string `json:"kind"`
	Signer string `json:"signer,omitempty"`
	// Platform is that of an image which an index lists.
	Platform string `json:"platform,omitempty"`
	// ContentSize is that of its blobs together.
	ContentSize int64      `json:"contentSize"`
	Created     *time.Time `json:"created,omitempty"`
	// Missing says that it is listed and the registry has it not.
	Missing bool `json:"missing,omitempty"`
	// Repeated says that it is elsewhere in the tree too, with what hangs below.
	Repeated  bool    `json:"repeated,omitempty"`
	Manifests []*Node `json:"manifests,omitempty"`
	Referrers []*Node `json:"referrers,omitempty"`
	// More says that it has referrers deeper than was asked for.
	More bool `json:"more,omitempty"`
}

// Graph is where a tree is read from. It is safe for concurrent use.
type Graph interface {
	// Entry returns what an index lists, and whether it is a manifest. What is not
	// there is an error that matches [ErrNotFound].
	Entry(ctx context.Context, d ocispec.Descriptor) (Manifest, bool, error)
	// Blob returns the content of a blob, which is not verified. Error as Entry.
	Blob(ctx context.Context, blob ocispec.Descriptor) (io.ReadCloser, error)
	// Referrers returns the referrers of a subject that a query lets through.
	Referrers(ctx context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error)
}

// Branches say what a tree shows.
type Branches struct {
	// Depth is how many levels of referrers of referrers there are.
	Depth int
	// Platforms are those of the images that are shown of an index, as
	// os/architecture[/variant]; none for all.
	Platforms []string
	// Query lets referrers of the root and of the images that it lists through.
	// What refers to those is shown with them.
	Query index.Query
}

// Tree reads what a manifest lists, what refers to these, and so on.
func Tree(ctx context.Context, from Graph, m Manifest, b Branches) (*Node, error) {
	t := tree{from, b, map[digest.Digest]bool{m.Digest: true}}
	root, err := t.node(ctx, m)
	if err != nil {
		return nil, err
	}
	level := []growing{{root, m}}
	for d := 0; len(level) > 0; d++ {
		query := index.Query{Legacy: b.Query.Legacy}
		if d == 0 {
			query = b.Query
		}
		if level, err = t.grow(ctx, level, query, d >= b.Depth); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// tree reads the nodes of one depth at once.
type tree struct {
	graph    Graph
	branches Branches
	// seen cuts what comes up a second time.
	seen map[digest.Digest]bool
}

// growing is a node whose neighbours are not read yet.
type growing struct {
	node     *Node
	manifest Manifest
}

// node returns the node of a manifest with the time when it was made. That of an
// index may be known by its images alone, when all of them are shown.
func (t *tree) node(ctx context.Context, m Manifest) (*Node, error) {
	n := &Node{Descriptor: m.Descriptor(), Kind: Describe(m.Descriptor()), Signer: Signer(m)}
	if contents, err := m.Contents(); err == nil {
		n.ContentSize = contents.Size()
	}
	created, stated := index.Created(m.Annotations)
	if m.Subject() == "" {
		// A referrer is as old as its listing has it.
		var err error
		if created, err = imageMade(ctx, t.graph, m); err != nil {
			return nil, err
		}
		stated = !created.IsZero()
	}
	if stated {
		n.Created = &created
	}
	return n, nil
}

// asLegacy shows a node as what it is by its tag, if it is that.
func (n *Node) asLegacy(listed oci.Descriptor) {
	if listed.Legacy {
		n.Descriptor, n.Kind = listed, Describe(listed)
	}
}

// grow adds the referrers of the nodes of a level, and those of the images that
// they list. At the last level it only tells whether there are any.
func (t *tree) grow(ctx context.Context, level []growing, query index.Query, last bool) ([]growing, error) {
	level, err := t.open(ctx, level)
	if err != nil {
		return nil, err
	}
	lists := make([][]oci.Descriptor, len(level))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, g := range level {
		group.Go(func() (err error) {
			lists[i], err = t.graph.Referrers(groupCtx, g.manifest.Digest, query)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var wanted []wish
	for i, g := range level {
		g.node.More = last && len(lists[i]) > 0
		for _, d := range lists[i] {
			if !last {
				wanted = append(wanted, wish{parent: g.node, listed: d, entry: ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}})
			}
		}
	}
	found, err := t.read(ctx, wanted)
	next := make([]growing, 0, len(found))
	if err != nil {
		return nil, err
	}
	for i, f := range found {
		wanted[i].parent.Referrers = append(wanted[i].parent.Referrers, f.node)
		if t.first(f) {
			next = append(next, f)
		}
	}
	return next, nil
}

// open adds the images that the indexes of a level list to it.
func (t *tree) open(ctx context.Context, level []growing) ([]growing, error) {
	for begin := 0; begin < len(level); {
		var wanted []wish
		undated := map[*Node]bool{}
		for _, g := range level[begin:] {
			undated[g.node] = g.node.Created == nil && len(t.branches.Platforms) == 0
			contents, err := g.manifest.Contents()
			if err != nil {
				return nil, err
			}
			for _, entry := range contents.Children() {
				if t.branches.shows(entry.Platform) {
					wanted = append(wanted, wish{parent: g.node, entry: entry})
				}
			}
		}
		begin = len(level)
		found, err := t.read(ctx, wanted)
		if err != nil {
			return nil, err
		}
		for i, f := range found {
			if f.node == nil {
				continue
			}
			f.node.Platform = PlatformName(wanted[i].entry.Platform)
			parent := wanted[i].parent
			parent.Manifests = append(parent.Manifests, f.node)
			if at := f.node.Created; undated[parent] && at != nil && (parent.Created == nil || at.After(*parent.Created)) {
				parent.Created = at
			}
			if t.first(f) {
				level = append(level, f)
			}
		}
	}
	return level, nil
}

// first reports whether what was read is to be followed: it is there, and was
// not met before. It marks a node that was.
func (t *tree) first(f growing) bool {
	if f.node.Missing {
		return false
	}
	f.node.Repeated = t.seen[f.manifest.Digest]
	t.seen[f.manifest.Digest] = true
	return !f.node.Repeated
}

// wish is a manifest that is to be read for a node.
type wish struct {
	parent *Node
	entry  ocispec.Descriptor
	// listed is what a list of referrers calls it.
	listed oci.Descriptor
}

// read reads manifests, many at once. What turns out to be a blob has no node.
func (t *tree) read(ctx context.Context, wanted []wish) ([]growing, error) {
	found := make([]growing, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, w := range wanted {
		group.Go(func() error {
			m, is, err := t.graph.Entry(ctx, w.entry)
			switch {
			case errors.Is(err, ErrNotFound):
				found[i] = growing{node: &Node{Descriptor: oci.Descriptor{Digest: w.entry.Digest}, Kind: "missing", Missing: true}}
				return nil
			case err != nil || !is:
				return err
			}
			found[i].manifest = m
			if found[i].node, err = t.node(ctx, m); err == nil {
				found[i].node.asLegacy(w.listed)
			}
			return err
		})
	}
	return found, group.Wait()
}

// shows reports whether the image of a platform is shown. What has none is shown
// only where no platform is asked for.
func (b Branches) shows(p *ocispec.Platform) bool {
	if len(b.Platforms) == 0 {
		return true
	}
	return slices.ContainsFunc(b.Platforms, func(wanted string) bool { return MatchPlatform(p, wanted) })
}
