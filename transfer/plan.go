package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// node is a manifest that is to be copied.
type node struct {
	manifest client.Manifest
	contents client.Contents
	// isReferrer says that it came along for its subject.
	isReferrer bool
	// level is above those of all that has to be in the target before; 0 means
	// that it isn't known yet.
	level int
}

// plan is all that is to be copied.
type plan struct {
	root  *node
	nodes map[digest.Digest]*node
	blobs map[digest.Digest]ocispec.Descriptor
	// legacy are the tags by which some of the nodes are legacy referrers.
	legacy map[string]digest.Digest
	totals Totals
}

// planner reads a source from the top down, in waves: each manifest of a wave
// brings those of the next.
type planner struct {
	source  source
	request Request
	pool    *pool
	plan    *plan
	asked   *inquiry
}

// visit is a manifest that is to be read.
type visit struct {
	descriptor ocispec.Descriptor
	isReferrer bool
	// held says that an index lists it, by a media type that may be a blob's.
	held bool
	// manifest is set where it is read already.
	manifest *client.Manifest
	// subject is that of a referrer, where it is known before that is read.
	subject digest.Digest
}

// seen is what reading a manifest has brought.
type seen struct {
	// blob is set, and all else is not, where it turned out to be one.
	blob      *ocispec.Descriptor
	node      *node
	referrers []oci.Descriptor
}

// newPlan plans the copy of a manifest that was read. A root with a subject is
// planned as what it is, a referrer, where isReferrer says so.
func newPlan(ctx context.Context, src source, root client.Manifest, isReferrer bool, request Request, slots *pool) (_ *plan, err error) {
	p := &planner{src, request, slots, &plan{
		nodes: map[digest.Digest]*node{}, blobs: map[digest.Digest]ocispec.Descriptor{}, legacy: map[string]digest.Digest{},
	}, newInquiry(src, root.Digest, request, slots)}
	wave := []visit{{descriptor: ocispec.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}, manifest: &root, isReferrer: isReferrer}}
	for len(wave) > 0 {
		if wave, err = p.wave(ctx, wave); err != nil {
			return nil, err
		}
	}
	p.plan.root = p.plan.nodes[root.Digest]
	p.plan.count()
	return p.plan, nil
}

// wave reads manifests, many at once, and returns those that they lead to.
func (p *planner) wave(ctx context.Context, visits []visit) ([]visit, error) {
	p.asked.expect(ctx, len(visits))
	found := make([]seen, len(visits))
	group, ctx := p.pool.workers(ctx)
	for i, v := range visits {
		group.Go(func() (err error) {
			found[i], err = p.read(ctx, v)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var next []visit
	for _, s := range found {
		if s.blob != nil {
			p.plan.blobs[s.blob.Digest] = *s.blob
			continue
		}
		p.plan.nodes[s.node.manifest.Digest] = s.node
	}
	found = slices.DeleteFunc(found, func(s seen) bool { return s.blob != nil })
	queued := map[digest.Digest]bool{}
	queue := func(v visit) {
		if p.plan.nodes[v.descriptor.Digest] == nil && !queued[v.descriptor.Digest] {
			queued[v.descriptor.Digest] = true
			next = append(next, v)
		}
	}
	for _, s := range found {
		for _, blob := range s.node.contents.AllBlobs() {
			p.plan.blobs[blob.Digest] = blob
		}
		for _, child := range s.node.contents.Children() {
			queue(visit{descriptor: child, isReferrer: s.node.isReferrer, held: true})
		}
		for _, r := range s.referrers {
			p.plan.noteLegacy(r)
			queue(visit{descriptor: ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size}, isReferrer: true})
		}
	}
	return next, nil
}

// read reads one manifest and asks for its referrers.
func (p *planner) read(ctx context.Context, v visit) (seen, error) {
	m := v.manifest
	if m == nil {
		read, is, err := p.fetch(ctx, v)
		if !is {
			return seen{blob: &v.descriptor}, nil
		}
		if errors.Is(err, client.ErrNotFound) && v.isReferrer {
			err = fmt.Errorf("%w; the source lists this referrer and no longer has it: mend a backref's index by: backref index verify --fix, or leave the referrer out by --referrers=FILTER", err)
		}
		if err != nil {
			return seen{}, err
		}
		m = &read
	}
	contents, err := m.Contents()
	if err != nil {
		return seen{}, err
	}
	if strings.HasPrefix(m.MediaType, "application/vnd.docker.distribution.manifest.v1") {
		return seen{}, fmt.Errorf("manifest %s has Docker's schema 1, which does not say how large its layers are: pull and push it with a client that makes a newer one", m.Digest)
	}
	s := seen{node: &node{manifest: *m, contents: contents, isReferrer: v.isReferrer}}
	if !p.request.Referrers {
		return s, nil
	}
	// The filter chooses among the referrers of what was asked for. Those that
	// come along are wanted with all that speaks about them.
	query := p.request.Filter
	if v.isReferrer {
		query = index.Query{Legacy: query.Legacy}
	}
	s.referrers, err = p.asked.referrers(ctx, m.Digest, query)
	return s, err
}

// fetch fetches a manifest, and tells whether it is one.
func (p *planner) fetch(ctx context.Context, v visit) (client.Manifest, bool, error) {
	if v.held && client.Doubtful(v.descriptor) {
		return p.source.Entry(ctx, v.descriptor)
	}
	m, err := p.source.Manifest(ctx, v.descriptor)
	return m, true, err
}

// count fills in the totals and levels.
func (p *plan) count() {
	for _, n := range p.nodes {
		p.place(n)
		p.totals.Manifests++
		if n.isReferrer {
			p.totals.Referrers++
		}
	}
	for _, blob := range p.blobs {
		p.totals.Blobs++
		p.totals.Bytes += blob.Size
	}
}

// place gives a manifest a level above those that it lists and its subject. No
// manifest can hold its own digest, so there is an end.
func (p *plan) place(n *node) int {
	if n.level > 0 {
		return n.level
	}
	below := 0
	for _, child := range n.contents.Manifests {
		if c := p.nodes[child.Digest]; c != nil {
			below = max(below, p.place(c))
		}
	}
	if subject := p.nodes[n.manifest.Subject()]; subject != nil {
		below = max(below, p.place(subject))
	}
	n.level = below + 1
	return n.level
}

// levels returns the manifests in the order in which they have to be written:
// those of one level need none of each other.
func (p *plan) levels() [][]*node {
	var levels [][]*node
	for _, n := range p.nodes {
		for len(levels) < n.level {
			levels = append(levels, nil)
		}
		levels[n.level-1] = append(levels[n.level-1], n)
	}
	return levels
}

// bySubject returns the manifests that have a subject, by it.
func (p *plan) bySubject() map[digest.Digest][]client.Manifest {
	manifests := map[digest.Digest][]client.Manifest{}
	for _, n := range p.nodes {
		if subject := n.manifest.Subject(); subject != "" {
			manifests[subject] = append(manifests[subject], n.manifest)
		}
	}
	for _, referrers := range manifests {
		slices.SortFunc(referrers, func(a, b client.Manifest) int { return cmp.Compare(a.Digest, b.Digest) })
	}
	return manifests
}
